"""Records a rig with everything that the command line prints during it: warnings, status, events, progress."""

from collections.abc import Callable, Sequence
from functools import partial

import anyio

from riglog.acquire import ActiveRun
from riglog.cli.console import format_time, messages, plain, print_warning
from riglog.cli.freshness import periods
from riglog.cli.local_time import format_local
from riglog.cli.progress import WaitingFor, show_progress
from riglog.cli.service import ServiceManager
from riglog.cli.signals import Interruption
from riglog.config import RigConfig
from riglog.manager.declared import device_paced
from riglog.model import Event, EventKind, Run, iso
from riglog.rig import Outcome, record_rig
from riglog.sinks import SqliteSink

NOT_PRINTED = {EventKind.RUN_STARTED, EventKind.RUN_RESUMED, EventKind.RUN_FINISHED, EventKind.ALARM_DEFINED}
WARNINGS = {
    EventKind.DEVICE_ABSENT,
    EventKind.PORT_LOST,
    EventKind.DEVICE_NOT_RESPONDING,
    EventKind.WRONG_INSTRUMENT,
    EventKind.IDENTITY_UNCONFIRMED,
    EventKind.EQUIPMENT_DIFFERS,
    EventKind.UNIT_CHANGED,
    EventKind.CERTIFICATE_OVERDUE,
    EventKind.SINK_FAILED,
    EventKind.ALARM_RAISED,
    EventKind.ALARM_ACTION_FAILED,
}


async def record_with_progress(
    rig: RigConfig,
    duration: float | None,
    interruption: Interruption,
    announce: Callable[[], None] = lambda: None,
    *,
    resume: Run | bool = False,
    accept_identity: Sequence[str] = (),
    require_all: bool = True,
    wait: bool = False,
    allow_commands: bool = False,
    reason: str | None = None,
) -> Outcome:
    """Record until the duration has elapsed or a signal is received.

    ``announce`` is called when the recording starts: an error before that is the only thing that is printed.

    Raises:
        StorageError: a sink cannot be used; nothing was opened.
        PortError, ProtocolError, DeviceError: no device can be opened, or with ``require_all`` one of them; nothing
            was recorded.
    """
    warn_of_high_load(rig)
    warn_of_unusual_baudrates(rig)
    known = periods(rig, [spec for spec in rig.specs if device_paced(spec)])
    stores_notes = any(isinstance(sink, SqliteSink) for sink in rig.sinks)
    service, waiting_for = ServiceManager(), WaitingFor()
    async with anyio.create_task_group() as tasks:
        with messages().status("opening") as status:

            def opening(device: str, port: str) -> None:
                status.update(f"opening {device} on {plain(port)}")

            def start(recording: ActiveRun) -> None:
                status.stop()
                announce()
                interruption.stop = lambda: _stop(recording, service)
                tasks.start_soon(service.keep_alive, lambda: _status(recording, waiting_for))
                tasks.start_soon(
                    partial(show_progress, recording, duration, known, waiting_for, stores_notes=stores_notes)
                )

            def event_occurred(event: Event) -> None:
                waiting_for.add_event(event)
                _print_event(event)

            outcome = await record_rig(
                rig,
                duration=duration,
                resume=resume,
                accept_identity=accept_identity,
                require_all=require_all,
                wait=wait,
                allow_commands=allow_commands,
                reason=reason,
                on_opening=opening,
                on_start=start,
                on_event=event_occurred,
            )
        service.stopping()
        tasks.cancel_scope.cancel()
    return outcome


def _stop(recording: ActiveRun, service: ServiceManager) -> None:
    service.stopping()
    recording.stop()


def _status(recording: ActiveRun, waiting_for: WaitingFor) -> str:
    summary = recording.summary
    counts = f"recording: {summary.samples} rows, {summary.samples_missing_or_skipped} missing or skipped"
    return "; ".join(text for text in (counts, waiting_for.text) if text)


def warn_of_high_load(rig: RigConfig) -> None:
    """Warn of ports whose polling load is close to their capacity."""
    for port in rig.utilisation:
        if port.tight:
            devices = ", ".join(port.devices)
            print_warning(f"{port.port}: polling load {port.share:.0%} ({devices}); slots may be skipped")


def warn_of_unusual_baudrates(rig: RigConfig) -> None:
    """Warn of baud rates that are probably mistyped: the port may refuse them, and the instrument hardly has them."""
    from riglog.transport.link import STANDARD_BAUDRATES

    ports = {spec.port.key: spec.port for spec in rig.specs if spec.port is not None}
    for port in ports.values():
        baudrate = port.link.baudrate
        if baudrate not in STANDARD_BAUDRATES:
            nearest = min(STANDARD_BAUDRATES, key=lambda standard: abs(standard - baudrate))
            print_warning(f"{port.name}: baudrate {baudrate} is not a standard rate; the nearest is {nearest}")


def _print_event(event: Event) -> None:
    if event.kind in NOT_PRINTED:
        return
    colour = "yellow" if event.kind in WARNINGS else "dim"
    where = " ".join(name for name in (event.port, event.device) if name)
    text = f"{where}: {event.message}" if where else event.message
    kind = f"[{colour}]{event.kind.value}[/]"  # the word of `riglog events`
    at, console = iso(event.at_ns), messages()
    when = format_local(at) if console.is_terminal else f"{format_time(at)}Z"  # a log is read in other places, too
    console.print(f"[dim]{when}[/] {kind} {plain(text)}", soft_wrap=True)
