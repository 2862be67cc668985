"""Faults that were in riglog, or could be, put back one at a time: proof that a simulated life can find them.

A mutant is a context manager that replaces some code while it runs.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import pairwise
from typing import Any
from unittest import mock

from msgspec import Struct
from msgspec.structs import replace

from rig_years.plan import ANYTHING, Focus, Plan
from riglog.acquire.buffer import BatchBuffer
from riglog.acquire.flush import Flush
from riglog.acquire.schedule import Schedule, Slot
from riglog.acquire.source_task import SourceTask
from riglog.acquire.source_tasks import SourceTasks
from riglog.device.proof_settings import Verdict
from riglog.manager.breaker import Breaker
from riglog.manager.identity import KnownIdentity
from riglog.manager.managed_device import ManagedDevice
from riglog.manager.reconnectable import ReconnectableTransport
from riglog.manager.session import Session
from riglog.model import NS, Batch, Sample, Status
from riglog.protocol.line import Line
from riglog.protocol.outstanding import OutstandingReplies
from riglog.sinks import JsonlSink, SqliteSink
from riglog.testing.virtual_time import LoopClock
from riglog_sartorius import samples as sartorius_samples
from riglog_sartorius.sbi.autoprint import AutoprintProtocol
from riglog_servomex.continuous.protocol import BroadcastProtocol
from riglog_watlow import samples as watlow_samples
from riglog_watlow.device import Controller
from riglog_watlow.stdbus import frames as stdbus_frames

Replacement = tuple[Any, str, Any]


class Mutant(Struct, frozen=True):
    """One fault that is put back.

    Attributes:
        kinds: the disturbances that can show it.
        point: of the list of mended faults; empty: one of our own.
        can_show: False for a life that cannot show it, whatever is recorded: it need not be lived.
        focus: what the lives look at.
    """

    name: str
    sentence: str
    replacements: Callable[[], Sequence[Replacement]]
    kinds: tuple[str, ...]
    point: str = ""
    can_show: Callable[[Plan], bool] = lambda plan: True
    focus: Focus = ANYTHING

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Put the fault back while the block runs."""
        with ExitStack() as stack:
            for owner, name, replacement in self.replacements():
                stack.enter_context(_replaced(owner, name, replacement))
            yield


def _replaced(owner: Any, name: str, replacement: Any) -> AbstractContextManager[Any]:
    return mock.patch.object(owner, name, replacement, create=not hasattr(owner, name))  # of an instance only


MUTANTS: list[Mutant] = []


def mutant(
    sentence: str,
    *,
    kinds: str,
    point: str = "",
    can_show: Callable[[Plan], bool] = lambda plan: True,
    focus: Focus = ANYTHING,
) -> Callable[[Callable[[], Sequence[Replacement]]], Any]:
    def add(function: Callable[[], Sequence[Replacement]]) -> Callable[[], Sequence[Replacement]]:
        name = function.__name__.replace("_", "-")
        MUTANTS.append(Mutant(name, sentence, function, tuple(kinds.split()), point, can_show, focus))
        return function

    return add


FULL = Focus(("stdbus", "xbpi"), pause=0.2, buffer_size=4, stream_size=4)


def is_off_in_a_slot(plan: Plan, *, devices: int = 1) -> bool:
    """Return True if a device is off in a slot, on a port with at least so many devices of one rate."""
    off = [each.port for each in plan.disturbances if each.kind == "off" and each.end - each.start > plan.period]
    one_rate = [port for port in plan.ports if not any(table["name"] in plan.own_rates for table in port.devices)]
    return any(port.key in off and len(port.devices) >= devices for port in one_rate)


def is_resumed_behind(plan: Plan) -> bool:
    """Return True if a run is resumed while the clock shows a time before its last slot."""
    return any(
        later.resume and later.start + later.utc_step < earlier.end - plan.period
        for earlier, later in pairwise(plan.sessions)
    )


# --- the line


@mutant(
    "After a timeout the next request is sent at once, and whatever arrives is its reply.",
    point="6",
    kinds="late late-aimed copy drop",
)
def late_replies_accepted() -> Sequence[Replacement]:
    async def transact(self: Any, request: Any, *, timeout: float, **options: Any) -> Any:
        self._outstanding = OutstandingReplies(self.codec)
        self._hold_off = 0.0
        return await original(self, request, timeout=timeout, **options)

    original = Line.transact
    return [(Line, "transact", transact)]


@mutant(
    "What was received before a request is taken for the reply to it.",
    point="6",
    kinds="late late-aimed copy drop cable",
)
def input_kept() -> Sequence[Replacement]:
    async def transaction(self: Any, *args: Any, **options: Any) -> Any:
        kept = self._take_buffer()
        receive = self.transport.receive

        async def received() -> bytes:
            nonlocal kept
            data, kept = kept, b""
            return data or bytes(await receive())

        with mock.patch.object(self.transport, "receive", received):
            return await original(self, *args, **options)

    original = Line._transaction
    return [(Line, "_transaction", transaction), *late_replies_accepted()]


@mutant("A Standard Bus frame with a wrong checksum is a reply.", kinds="corrupt", focus=Focus(("stdbus",), pause=0.2))
def stdbus_checksum_ignored() -> Sequence[Replacement]:
    return [(stdbus_frames, "data_register", lambda data: stdbus_frames.GOOD_DATA)]


@mutant(
    "A broadcast frame that arrives a second time is a second value.",
    point="5",
    kinds="copy-sent",
    focus=Focus(("gas-sent",), pause=0.2),
)
def frame_used_twice() -> Sequence[Replacement]:
    return [(BroadcastProtocol, "_is_old", lambda self, frame: False)]


@mutant(
    "The first line after opening is used, although its beginning may be missing.",
    kinds="cable stop crash",
    focus=Focus(("gross-sent",), pause=0.2),
)
def first_line_used() -> Sequence[Replacement]:
    seen = property(lambda self: True, lambda self, value: None)
    return [(AutoprintProtocol, "_line_begin_seen", seen)]


# --- values


@mutant("While a device does not respond, its last values are repeated.", kinds="drop cable off")
def values_repeated() -> Sequence[Replacement]:
    last: dict[str, Sequence[Sample]] = {}

    async def samples(self: Any, *args: Any, **options: Any) -> Sequence[Sample]:
        found = await original(self, *args, **options)
        if all(sample.value is not None for sample in found):
            last[self.name] = found
        now = self._clock.monotonic_ns()
        repeated = last.get(self.name, found)
        return [replace(each, stamp=replace(found[0].stamp, monotonic_ns=now)) for each in repeated] if found else found

    original = ManagedDevice._samples
    return [(ManagedDevice, "_samples", samples)]


@mutant("The unit of a weight is the one of the first reply; it is not read again.", point="1", kinds="panel-unit")
def weight_unit_read_once() -> Sequence[Replacement]:
    units: dict[object, str | None] = {}

    def sample(channel: Any, reading: Any) -> Sample:
        found = original(channel, reading)
        return replace(found, unit=units.setdefault(channel, found.unit))

    from riglog_sartorius import device

    original = sartorius_samples.weight_sample
    return [(device, "weight_sample", sample)]


@mutant(
    "The set-up of a controller is read once, at opening: neither with a value nor after an interruption.",
    point="1",
    kinds="panel-unit panel-word_order panel-decimals cable",
    focus=Focus(("mixed-rtu", "sd-ascii", "pm-tcp", "f4p-rtu")),
)
def setup_read_once() -> Sequence[Replacement]:
    from riglog_watlow import reader

    async def reconnected(self: Any, line: Any = None) -> None:
        return None

    return [(Controller, "reconnected", reconnected), (reader, "before_check", lambda *_: Verdict.PROVEN)]


@mutant("The error state of an input is not looked at: an open thermocouple is 2530 degF.", kinds="panel-sensor")
def sensor_error_ignored() -> Sequence[Replacement]:
    from riglog_watlow import channel_read, inputs

    without: dict[str, tuple[str, ...]] = {}
    return [(module, "DEPENDS_ON", without) for module in (watlow_samples, channel_read, inputs)]


@mutant("A missing value is stored without its reason.", kinds="drop off")
def no_reason() -> Sequence[Replacement]:
    from riglog.manager import managed_device

    original = managed_device.missing
    return [
        (managed_device, "missing", lambda channels, error, *args, **options: original(channels, "", *args, **options))
    ]


# --- identity


@mutant(
    "After a reconnect the identity is not checked.", point="2", kinds="swap-cut swap-off swap-silent swap-between-runs"
)
def identity_not_checked() -> Sequence[Replacement]:
    return [(ManagedDevice, "require_identity_check", lambda self: None)]


@mutant("Each poll reports the wrong instrument again.", kinds="swap-cut swap-off swap-live")
def mismatch_reported_each_time() -> Sequence[Replacement]:
    def other(self: Any, found: str, utc_ns: int) -> Any:
        self.mismatch = None
        return original(self, found, utc_ns)

    original = KnownIdentity._other
    return [(KnownIdentity, "_other", other)]


# --- slots


@mutant("A late slot is caught up: it is polled when it is over.", point="8", kinds="store-full", focus=FULL)
def slots_caught_up() -> Sequence[Replacement]:
    def next_slot(self: Any, now_ns: int) -> Slot:
        return Slot(None if self.ticks is not None and self._next >= self.ticks else self._next, range(0))

    def is_due(self: Any, tick: int, now_ns: int) -> bool:
        return bool(self.due_ns(tick) <= now_ns)

    return [(Schedule, "next", next_slot), (Schedule, "is_latest", is_due)]


@mutant("A cancel leaves the slot under way, and those after it, without a row.", point="11", kinds="cancel drop off")
def cancelled_slot_without_row() -> Sequence[Replacement]:
    def finish(self: Any, **options: Any) -> None:
        self.scope.cancel()
        self._finished = True

    return [(SourceTask, "finish", finish)]


@mutant("A resumed run records the slot again in which it was interrupted.", point="10", kinds="stop cancel crash")
def slot_recorded_twice() -> Sequence[Replacement]:
    def start(self: Any) -> int:
        since_ns = int(original(self))
        return since_ns if self.resumed_from is None else since_ns - round(4 * NS / self.active_run.rate_hz)

    original = SourceTasks._start
    return [(SourceTasks, "_start", start)]


@mutant("A value is stamped one slot late.", kinds="stop")
def rows_one_slot_late() -> Sequence[Replacement]:
    def put(self: Any, tick: int | None, samples: Any) -> None:
        original(self, None if tick is None else tick + 1, samples)

    original = SourceTask._put
    return [(SourceTask, "_put", put)]


@mutant(
    "A slot in which the previous poll is still running gets no row.",
    kinds="late drop off",
    can_show=lambda plan: plan.period <= 2 and is_off_in_a_slot(plan),
)
def overrun_without_row() -> Sequence[Replacement]:
    return [(SourceTask, "_skip", lambda self, tick, now_ns: self.schedule.mark_served(tick))]


@mutant(
    "Room in a full buffer is waited for after the slot was chosen: its value is taken when it is over.",
    point="8",
    kinds="store-full",
    focus=FULL,
)
def room_waited_for_in_the_slot() -> Sequence[Replacement]:
    async def poll_slot(self: Any, tick: int) -> None:
        stream = self.active_run.stream
        while full(stream):
            await stream._emptied.wait()
        await original(self, tick)

    original, full = SourceTask._poll_slot, BatchBuffer.full.__get__
    return [(BatchBuffer, "full", property(lambda self: False)), (SourceTask, "_poll_slot", poll_slot)]


@mutant(
    "A run is resumed with a clock that is behind its last row.",
    point="10",
    kinds="clock-back stop crash",
    can_show=is_resumed_behind,
)
def resumed_with_a_clock_behind() -> Sequence[Replacement]:
    from riglog.rig import resume

    return [(resume, "_obstacle", lambda stored, rig, now_ns: None)]


@mutant(
    "Slots count on the monotonic clock, which stands still while the computer sleeps.", point="11", kinds="suspend"
)
def sleep_not_counted() -> Sequence[Replacement]:
    from riglog.acquire.clock_watch import ClockWatch

    def accept(self: Any, step_ns: int) -> int:
        original(self, step_ns)
        return 0

    original = ClockWatch.accept
    return [(ClockWatch, "accept", accept)]


@mutant("The word order of a controller is read at opening and not again.", point="1", kinds="panel-word_order")
def word_order_read_once() -> Sequence[Replacement]:
    from riglog_watlow.modbus.protocol import ModbusProtocol

    async def no_layout(self: Any, line: Any) -> None:
        return None

    return [(ModbusProtocol, "_find_layout", no_layout)]


# --- events and states


@mutant("The return of a connection is not reported.", kinds="cable")
def restored_not_reported() -> Sequence[Replacement]:
    def restored(self: Any) -> None:
        self._lost = None
        for device in self.devices.values():
            device.retry_now()

    return [(Session, "_restored", restored)]


@mutant("A connection is reported lost by each device that uses it.", kinds="cable")
def loss_reported_twice() -> Sequence[Replacement]:
    async def handle(self: Any, error: Any) -> None:
        from riglog.model import EventKind

        self._report(EventKind.PORT_LOST, error.message, None)
        await original(self, error)

    original = Session._handle_loss
    return [(Session, "_handle_loss", handle)]


@mutant("A device that did not respond is retried after ten minutes.", kinds="off")
def retried_too_late() -> Sequence[Replacement]:
    def failure(self: Any, now: float, *, shared: bool) -> bool:
        opened = original(self, now, shared=shared)
        if self.open:
            self._next_retry = now + 3600.0
        return bool(opened)

    original = Breaker.record_failure
    return [(Breaker, "record_failure", failure)]


@mutant("The state of a device that responds again is not reported.", kinds="off")
def responding_not_reported() -> Sequence[Replacement]:
    def success(self: Any) -> bool:
        original(self)
        return False

    original = Breaker.record_success
    return [(Breaker, "record_success", success)]


@mutant("A step of the clock is not reported.", kinds="clock-step clock-back")
def clock_step_not_reported() -> Sequence[Replacement]:
    return [(SourceTasks, "check_clock", lambda self: False)]


@mutant("UTC is read once, at the start of the run, and counted on from there.", point="11", kinds="clock-step")
def utc_read_once() -> Sequence[Replacement]:
    from rig_years.world import WorldClock

    first: dict[object, int] = {}

    def utc(self: LoopClock) -> int:
        offset = first.setdefault(self.boot_ns, original(self) - self.monotonic_ns())  # type: ignore[attr-defined]
        return offset + self.monotonic_ns()

    original = WorldClock.utc_ns
    return [(WorldClock, "utc_ns", utc)]


# --- stores


@mutant("What a failing sink could not store is dropped.", point="11", kinds="store-fails")
def failed_write_dropped() -> Sequence[Replacement]:
    async def run(self: Any, batches: Any, events: Any, **options: Any) -> None:
        await original(self, batches, events, **options)
        self.batches_left, self.error = [], None

    original = Flush.run
    return [(Flush, "run", run)]


@mutant("After a failed write everything is written once more, also what was stored.", kinds="store-fails crash stop")
def written_twice() -> Sequence[Replacement]:
    async def write(self: Any, batches: Sequence[Batch], events: Any) -> None:
        repeat = getattr(self, "repeat", ())
        self.repeat = batches[-1:]
        await original(self, [*repeat, *batches], events)

    original = JsonlSink.write
    return [(JsonlSink, "write", write)]


@mutant("A sink reports rows as stored that are still in its memory.", kinds="crash")
def stored_too_late() -> Sequence[Replacement]:
    async def write(self: Any, batches: Sequence[Batch], events: Any) -> None:
        held, self.held = getattr(self, "held", []), list(batches)
        await original(self, held, events)

    async def close(self: Any) -> None:
        await original(self, getattr(self, "held", []), [])
        await closed(self)

    original, closed = SqliteSink.write, SqliteSink.aclose
    return [(SqliteSink, "write", write), (SqliteSink, "aclose", close)]


@mutant("When the program ends, what is buffered is not written.", point="11", kinds="stop cancel")
def rest_not_written() -> Sequence[Replacement]:
    pipe = sys.modules["riglog.acquire.pipe"]  # the package has a function of this name

    async def close(active_run: Any, writers: Sequence[Any]) -> None:
        for writer in writers:
            writer._batches.clear()
            writer._events.clear()
            writer._buffered = 0
        await original(active_run, writers)

    original = vars(pipe)["_close"]
    return [(pipe, "_close", close)]


@mutant("The end of a text file is not cut off after the last complete line.", kinds="crash")
def torn_line_kept() -> Sequence[Replacement]:
    import os

    from riglog.sinks import text_files

    return [(text_files, "end_of_sound_lines", lambda file: os.lseek(file, 0, os.SEEK_END))]


# --- the end


@mutant("A port stays open when the program has ended.", kinds="stop cancel")
def port_left_open() -> Sequence[Replacement]:
    async def close(self: Any) -> None:
        self.inner = None

    return [(ReconnectableTransport, "aclose", close)]


@mutant("The task of a removed device goes on.", point="11", kinds="leave-and-join")
def removed_device_recorded() -> Sequence[Replacement]:
    def finish(self: Any, *, removed: bool = False) -> None:
        if not removed:
            original(self)

    original = SourceTask.finish
    return [(SourceTask, "finish", finish)]


@mutant(
    "A device that fails makes the whole port skip its slot.",
    kinds="off",
    can_show=lambda plan: plan.period >= 30 and is_off_in_a_slot(plan, devices=2),
)
def neighbours_skipped() -> Sequence[Replacement]:
    from riglog.manager.port_session import PortSession

    async def poll(self: Any, devices: Any) -> Any:
        found = await original(self, devices)
        if any(sample.status is Status.MISSING for sample in found):
            return [replace(sample, value=None, status=Status.SKIPPED, error="a neighbour failed") for sample in found]
        return found

    original = PortSession.poll
    return [(PortSession, "poll", poll)]
