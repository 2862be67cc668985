"""Records a rig: checks the sinks, opens the devices, records until the end, and stores the rows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
from msgspec.structs import replace

from riglog.acquire import ActiveRun, SamplesLostError, pipe, record
from riglog.config import RigConfig, load_rig, seconds
from riglog.errors import ConfigError, StorageError
from riglog.manager import Manager
from riglog.model import SYSTEM_CLOCK, Clock, Event, Run, new_run
from riglog.plugin import Registry
from riglog.recordings import last_run
from riglog.rig.identities import rig_identities
from riglog.rig.outcome import Outcome
from riglog.sinks import SqliteSink

BATCH_SIZE = 512
"""Samples after which a sink writes without waiting for the flush interval."""


async def record_rig(
    rig: RigConfig | str | Path,
    *,
    duration: float | str | None = None,
    out: str | Path | None = None,
    resume: Run | bool = False,
    accept_identity: Sequence[str] = (),
    stop: anyio.Event | None = None,
    on_opening: Callable[[str, str], None] | None = None,
    on_start: Callable[[ActiveRun], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    registry: Registry | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Outcome:
    """Record a rig into its sinks until the duration has elapsed or ``stop`` is set.

    If the task is cancelled, the samples received so far are stored first.

    Args:
        rig: path of a rig file, or its configuration.
        duration: seconds, or a text such as ``"72h"``; default: that of the rig file. A resumed run counts from its
            start.
        out: path of an SQLite file to record into, instead of the sinks of the rig file.
        resume: True continues the latest run of this rig in its SQLite sink; a Run continues that run. Its devices must
            be the instruments of that run: values of another one are not recorded.
        accept_identity: devices whose instrument was replaced on purpose. It is an event, and a new run starts.
        stop: ends the recording when it is set, after the polls in progress.
        on_opening: called before each device is opened, with the names of the device and of its port (or driver).
        on_start: called with the active recording when polling starts; its ``summary`` is updated continuously.
        on_event: called with every event of the recording.
        registry: source of drivers and sinks; default: the installed plugins.

    Returns:
        The outcome, also if a sink lost samples (``storage_error``).

    Raises:
        ExceptionGroup: one ConfigError per mistake in the rig file; nothing was opened.
        ConfigError: an argument is invalid, or the rig file cannot be read; nothing was opened.
        StorageError: a sink cannot be used, or there is no run to resume; nothing was opened.
        PortError, ProtocolError, DeviceError: a device cannot be opened; nothing was recorded.
    """
    config = _config(rig, out, registry)
    length = config.duration if duration is None else seconds(duration)
    identities = rig_identities(
        config,
        resumed=bool(resume),
        accepted=accept_identity,
        run=resume.id if isinstance(resume, Run) else None,
    )
    if accept_identity:
        resume = False
    resumed_from = run_to_resume(config) if resume is True else resume or None
    for sink in config.sinks:
        await sink.check()
    async with Manager(registry=registry, clock=clock) as manager:
        manager.expect_identities(identities.expected)
        for spec in config.specs:
            if on_opening is not None:
                on_opening(spec.name, spec.port_name or spec.protocol)
            await manager.add_spec(spec)
        run = resumed_from or new_run(config.name, clock, rate_hz=config.rate_hz, rig=config.text)
        async with record(
            manager,
            rate_hz=config.rate_hz,
            duration=length,
            overflow=config.overflow,
            resumed_from=resumed_from,
            clock=clock,
        ) as recording:
            if on_event is not None:
                for event in recording.events:  # those of the start
                    on_event(event)
                recording.on_event = on_event
            for event in identities.acceptances(manager, clock):
                recording.add_event(event)
            if on_start is not None:
                on_start(recording)
            async with anyio.create_task_group() as tasks:
                if stop is not None:
                    tasks.start_soon(_stop_when_set, stop, recording)
                outcome = await _store(recording, config, run, clock)
                tasks.cancel_scope.cancel()
    return outcome


def run_to_resume(rig: RigConfig) -> Run:
    """Return the latest run of a rig in its SQLite sink. Only reads.

    Raises:
        ConfigError: the rig has no SQLite sink.
        StorageError: there is no file, no recording, or no run of this rig in it.
    """
    for sink in rig.sinks:
        if isinstance(sink, SqliteSink):
            return last_run(sink.path, rig.name)
    raise ConfigError("cannot resume: the rig has no SQLite sink", hint='Add a [[sink]] with type = "sqlite"')


def _config(rig: RigConfig | str | Path, out: str | Path | None, registry: Registry | None) -> RigConfig:
    if not isinstance(rig, RigConfig):
        return load_rig(rig, registry=registry, out=out)
    if out is None:
        return rig
    return replace(rig, sinks=(SqliteSink(out),), destinations=(str(out),))


async def _stop_when_set(stop: anyio.Event, recording: ActiveRun) -> None:
    await stop.wait()
    recording.stop()


async def _store(recording: ActiveRun, rig: RigConfig, run: Run, clock: Clock) -> Outcome:
    outcome = Outcome(run, recording.summary, [], 0)
    try:
        outcome.sinks = await pipe(
            recording, *rig.sinks, run=run, batch_size=BATCH_SIZE, flush_interval=rig.flush_interval, clock=clock
        )
    except StorageError as error:
        recording.stop()
        outcome.storage_error = error
        outcome.sinks = error.results if isinstance(error, SamplesLostError) else []
    outcome.finished_monotonic_ns = clock.monotonic_ns()
    return outcome
