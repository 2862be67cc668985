"""Records a rig: checks the sinks, opens the devices, records until the end, and stores the rows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from msgspec.structs import replace

from riglog.acquire import ActiveRun, OpenSinks, SamplesLostError, open_sinks, record, store
from riglog.config import RigConfig, load_rig, seconds
from riglog.config.shared_paths import shared_paths
from riglog.derived import Deriver
from riglog.errors import StorageError
from riglog.manager import Manager
from riglog.model import SYSTEM_CLOCK, Clock, Event, Run, checked_reason, new_run
from riglog.plugin import Registry
from riglog.rig.alarms import alarms_before, check_commands, finish_actions, watch_alarms
from riglog.rig.clock_checks import ClockChecks
from riglog.rig.equipment import watch_equipment
from riglog.rig.identities import rig_identities
from riglog.rig.opening import open_devices
from riglog.rig.outcome import Outcome
from riglog.rig.resume import ResumePlan, plan_resume
from riglog.rig.wires import wire_logs
from riglog.sinks import SqliteSink
from riglog.sinks.files import FileSink
from riglog.timekeeping import ClockSource
from riglog.timekeeping import clock_source as this_clock_source

BATCH_SIZE = 512
"""Samples after which a sink writes without waiting for the flush interval."""


async def record_rig(
    rig: RigConfig | str | Path,
    *,
    duration: float | str | None = None,
    out: str | Path | None = None,
    resume: Run | bool = False,
    accept_identity: Sequence[str] = (),
    require_all: bool = False,
    wait: bool = False,
    allow_commands: bool = False,
    reason: str | None = None,
    stop: anyio.Event | None = None,
    on_opening: Callable[[str, str], None] | None = None,
    on_start: Callable[[ActiveRun], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    registry: Registry | None = None,
    clock: Clock = SYSTEM_CLOCK,
    clock_source: ClockSource | None = None,
) -> Outcome:
    """Record a rig into its sinks until the duration has elapsed or ``stop`` is set.

    If the task is cancelled, the samples received so far are stored first.

    Args:
        rig: path of a rig file, or its configuration.
        duration: seconds from now, or a text such as ``"72h"``; default: that of the rig file, which is the duration
            of the whole run, also if it is resumed.
        out: path of an SQLite file to record into, instead of the sinks of the rig file.
        resume: True continues the latest run of this rig in its SQLite sink; a Run continues that run. Its devices must
            be the instruments of that run: values of another one are not recorded. If there is no such run, or if slots
            could be recorded twice because the clock is behind, a new run starts.
        accept_identity: devices whose instrument was replaced on purpose. It is an event, and a new run starts.
        require_all: raise the error of a device that cannot be opened. Otherwise the recording starts without it, and
            adds it as soon as its instrument responds; ``absent`` of the outcome names those that never did.
        wait: start also if no device can be opened.
        allow_commands: the alarms of the rig may start programs.
        reason: why it is recorded; it is stored with the start and the acceptances, with the user, the program and
            the computer.
        stop: ends the recording when it is set, after the polls in progress.
        on_opening: called before each device is opened, with the names of the device and of its port (or driver).
        on_start: called with the active recording when polling starts; its ``summary`` is updated continuously.
        on_event: called with every event of the recording.
        registry: source of drivers and sinks; default: the installed plugins.
        clock_source: states how good the clock is, at the start, every hour and at the end; default: the operating
            system, if ``clock`` is its clock.

    Returns:
        The outcome, also if a sink lost samples (``storage_error``).

    Raises:
        ExceptionGroup: one ConfigError per mistake in the rig file; nothing was opened.
        ConfigError: an argument is invalid, the rig file cannot be read, or the run to resume is complete; nothing was
            opened.
        StorageError: a sink cannot be used, or another program records the run; nothing was recorded.
        PortError, ProtocolError, DeviceError: no device can be opened, or with ``require_all`` one of them; nothing
            was recorded.
        SamplesLostError: the task was cancelled, and a sink did not store all samples.
    """
    reason = checked_reason(reason)
    config = _config(rig, out, registry)
    if clock_source is None and clock is SYSTEM_CLOCK:
        clock_source = this_clock_source()
    problems = list(shared_paths([str(sink.path) for sink in config.sinks if isinstance(sink, FileSink)]))
    if problems:
        raise problems[0]
    identities = rig_identities(
        config,
        resumed=bool(resume),
        accepted=accept_identity,
        run=resume.id if isinstance(resume, Run) else None,
    )
    if accept_identity:
        resume = False
    given = None if duration is None else seconds(duration)
    _plan(config, resume, given, clock)  # nothing left: an error before anything is opened
    check_commands(config, allow_commands=allow_commands)
    for sink in config.sinks:
        await sink.check()
    logs = wire_logs(config)
    async with Manager(registry=registry, clock=clock, wire_logs=logs, read_only=config.read_only) as manager:
        manager.expect_identities(identities.expected)
        await open_devices(manager, config.specs, require_all=require_all, wait=wait, on_opening=on_opening)
        plan, length = _plan(config, resume, given, clock)  # opening takes time, and the clock may have been set
        earlier = plan.stored.run if plan.stored is not None else None
        run = earlier or new_run(config.name, clock, rate_hz=config.rate_hz, rig=config.text)
        run = replace(run, equipment=config.equipment)
        before = await alarms_before(config, earlier)
        checks = None if clock_source is None else ClockChecks(clock_source, clock)
        if checks is not None:
            await checks.first()
        async with (
            open_sinks(*config.sinks, run=run) as sinks,
            record(
                manager,
                rate_hz=config.rate_hz,
                duration=length,
                overflow=config.overflow,
                resumed_from=earlier,
                slot_zero_ns=plan.stored.slot_zero_ns if plan.stored is not None else None,
                follows=plan.follows,
                reason=reason,
                clock=clock,
            ) as recording,
        ):
            recording.on_event = on_event
            recording.run = run
            recording.derivation = Deriver(config.derived, clock) if config.derived else None
            alarms = watch_alarms(config, recording, run, before)
            for event in identities.acceptances(manager, clock, reason):
                recording.add_event(event)
            if checks is not None:
                checks.begin(recording)
            if on_start is not None:
                on_start(recording)
            async with anyio.create_task_group() as tasks:
                if stop is not None:
                    tasks.start_soon(_stop_when_set, stop, recording)
                if alarms is not None:
                    tasks.start_soon(alarms.run)
                if checks is not None:
                    tasks.start_soon(checks.run)
                if config.equipment:
                    tasks.start_soon(watch_equipment, config.equipment, manager, recording, clock)
                outcome = await _store(recording, sinks, run, config.flush_interval, clock)
                outcome.devices, outcome.absent = _devices(manager), _absent(manager)
                tasks.cancel_scope.cancel()
            if alarms is not None:
                await finish_actions(alarms)
            if outcome.storage_error is not None:
                await _raise_if_cancelled(outcome.storage_error)
    return outcome


def _config(rig: RigConfig | str | Path, out: str | Path | None, registry: Registry | None) -> RigConfig:
    if not isinstance(rig, RigConfig):
        return load_rig(rig, registry=registry, out=out)
    if out is None:
        return rig
    return replace(rig, sinks=(SqliteSink(out),), destinations=(str(out),))


def _devices(manager: Manager) -> dict[str, tuple[str, ...]]:
    return {source.name: tuple(device.name for device in source.devices) for source in manager.sources()}


def _absent(manager: Manager) -> dict[str, str]:
    return {name: error.message for name, error in manager.absent.items()}


def _plan(rig: RigConfig, resume: Run | bool, duration: float | None, clock: Clock) -> tuple[ResumePlan, float | None]:
    """Return what to resume now, and for how many seconds to record."""
    plan = ResumePlan()
    if resume:
        plan = plan_resume(rig, run_id=resume.id if isinstance(resume, Run) else None, clock=clock)
    return plan, plan.remaining(rig.duration, clock) if duration is None else duration


async def _raise_if_cancelled(error: StorageError) -> None:
    """Raise an error that would be lost: the outcome of a cancelled call is not returned."""
    try:
        await checkpoint_if_cancelled()
    except anyio.get_cancelled_exc_class():
        raise error from None


async def _stop_when_set(stop: anyio.Event, recording: ActiveRun) -> None:
    await stop.wait()
    recording.stop()


async def _store(recording: ActiveRun, sinks: OpenSinks, run: Run, flush_interval: float, clock: Clock) -> Outcome:
    outcome = Outcome(run, recording.summary, [], 0)
    try:
        outcome.sinks = await store(recording, sinks, batch_size=BATCH_SIZE, flush_interval=flush_interval, clock=clock)
    except SamplesLostError as error:
        outcome.storage_error = error
        outcome.sinks = error.results
    outcome.finished_monotonic_ns = clock.monotonic_ns()
    return outcome
