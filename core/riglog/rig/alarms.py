"""The alarms of a rig while it is recorded."""

from collections.abc import Sequence
from functools import partial

import anyio
import anyio.to_thread

from riglog.acquire import ActiveRun
from riglog.alarms import AlarmMonitor, Dispatcher, ProgramAction
from riglog.config import RigConfig
from riglog.errors import ConfigError
from riglog.model import Run
from riglog.recordings import StoredAlarm, read_alarms
from riglog.sinks import SqliteSink


def check_commands(rig: RigConfig, *, allow_commands: bool) -> None:
    """Check that no alarm would start a program without permission.

    Raises:
        ConfigError: one would.
    """
    used = {name for alarm in rig.alarms for name in alarm.actions}
    programs = [action.name for action in rig.actions if isinstance(action, ProgramAction) and action.name in used]
    if programs and not allow_commands:
        raise ConfigError(
            f"actions.{programs[0]} starts a program, which is not allowed",
            hint="Read its arguments in the rig file, then use --allow-commands (allow_commands=True)",
        )


async def alarms_before(rig: RigConfig, resumed: Run | None) -> list[StoredAlarm]:
    """Return the alarms that were raised, or not acknowledged, when a run broke off that is now resumed. Only reads."""
    path = next((sink.path for sink in rig.sinks if isinstance(sink, SqliteSink)), None)
    if resumed is None or path is None or not rig.alarms:
        return []
    stored: list[StoredAlarm] = await anyio.to_thread.run_sync(partial(read_alarms, path, run=resumed.id))
    return [alarm for alarm in stored if alarm.is_open]


def watch_alarms(rig: RigConfig, recording: ActiveRun, run: Run, before: Sequence[StoredAlarm]) -> AlarmMonitor | None:
    """Return the monitor of the alarms of a rig; None if it has none. Does not wait: slots are due already.

    Args:
        before: alarms that stay raised until a value shows otherwise.
    """
    if not rig.alarms:
        return None
    monitor = AlarmMonitor(recording, rig.alarms, partial(Dispatcher, rig.actions), {"run": run.id, "host": run.host})
    for alarm in before:
        monitor.resume(alarm.name, alarm.channel, active=alarm.state == "raised", acknowledged=alarm.acknowledged)
    return monitor


async def finish_actions(monitor: AlarmMonitor) -> None:
    """Let the actions that were started end, for some seconds."""
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(monitor.finish_actions)
        monitor.report_failures()
