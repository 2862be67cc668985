"""One recording as the command line runs it: check, open, record with a progress line, tell what came of it."""

import anyio
from msgspec import Struct
from rich.markup import escape

from riglog.acquire import AcquisitionSummary, Recording, SinkResult, pipe, record
from riglog.cli.console import clock, notes
from riglog.cli.progress import show_progress
from riglog.cli.signals import Interruption
from riglog.config import RigConfig
from riglog.errors import StorageError
from riglog.manager import Manager
from riglog.model import SYSTEM_CLOCK, Event, EventKind, Run, iso, new_run

QUIET = {EventKind.RUN_STARTED, EventKind.RUN_RESUMED, EventKind.RUN_FINISHED}
LOUD = {EventKind.PORT_LOST, EventKind.DEVICE_SILENT, EventKind.WRONG_INSTRUMENT, EventKind.SINK_FAILED}


class Outcome(Struct):
    """What came of a recording. ``trouble`` is what kept samples from being stored."""

    run: Run
    summary: AcquisitionSummary
    sinks: list[SinkResult]
    finished_monotonic_ns: int
    trouble: StorageError | None = None

    def longest_gap(self) -> float:
        """The longest time any channel was without a value, seconds."""
        channels = self.summary.channels.values()
        return max((channel.gap_until(self.finished_monotonic_ns) for channel in channels), default=0.0)


async def record_rig(
    rig: RigConfig, duration: float | None, interruption: Interruption, *, resumed_from: Run | None = None
) -> Outcome:
    """Record until the time is up or a signal comes.

    Raises:
        StorageError: a sink cannot be used; nothing was opened.
        PortError, ProtocolError, DeviceError: a device cannot be opened; nothing was recorded.
    """
    warn_of_tight_lines(rig)
    for sink in rig.sinks:
        await sink.check()
    async with Manager() as manager:
        with notes().status("opening") as status:
            for spec in rig.specs:
                status.update(f"opening {spec.config.name} on {escape(spec.config.port)}")
                await manager.add_spec(spec)
        run = resumed_from or new_run(rig.name, rate_hz=rig.rate_hz, rig=rig.text)
        async with record(
            manager, rate_hz=rig.rate_hz, duration=duration, overflow=rig.overflow, resumed_from=resumed_from
        ) as recording:
            interruption.stop = recording.stop
            recording.on_event = _say
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(show_progress, recording, duration)
                outcome = await _store(recording, rig, run)
                tasks.cancel_scope.cancel()
    return outcome


def warn_of_tight_lines(rig: RigConfig) -> None:
    """Say which ports are asked for nearly all they can carry."""
    for line in rig.utilisation:
        if line.tight:
            share = f"{line.share:.0%} of the time of {line.port} is asked for by {', '.join(line.devices)}"
            notes().print(f"[yellow]tight:[/] {escape(share)}; slots may be passed over", soft_wrap=True)


async def _store(recording: Recording, rig: RigConfig, run: Run) -> Outcome:
    outcome = Outcome(run, recording.summary, [], 0)
    try:
        outcome.sinks = await pipe(recording, *rig.sinks, run=run, batch_size=512, flush_interval=rig.flush_interval)
    except StorageError as error:
        recording.stop()
        outcome.trouble = error
    outcome.finished_monotonic_ns = SYSTEM_CLOCK.monotonic_ns()
    return outcome


def _say(event: Event) -> None:
    if event.kind in QUIET:
        return
    colour = "yellow" if event.kind in LOUD else "dim"
    where = " ".join(word for word in (event.port, event.device) if word)
    told = f"{where}: {event.message}" if where else event.message
    kind = f"[{colour}]{event.kind.value}[/]"  # the word that `riglog events` has for it
    notes().print(f"[dim]{clock(iso(event.at_ns))}Z[/] {kind} {escape(told)}", soft_wrap=True)
