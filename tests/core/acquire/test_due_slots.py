"""Every due slot has exactly one row of each channel that was present, in order, whatever happens: random schedules.

A seed draws sources with slow, hanging and failing polls, devices that are added and removed, slow and failing sinks,
clock steps, and how the recording ends. The number of the seed is in the name of the test.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
import pytest

from riglog.acquire import ActiveRun, SamplesLostError, SinkResult, pipe, record
from riglog.acquire.source_task import (
    BUSY,
    CANCELLED,
    HANGING,
    NOT_RETURNED,
    OVERRUN,
    REMOVED,
    SLOW_SINKS,
    STEPPED,
    STEPPED_BEFORE,
    STOPPED,
)
from riglog.derived import Derived, Deriver, read_formula
from riglog.device import Pace
from riglog.errors import ReplyTimeoutError, StorageError
from riglog.model import NS, Batch, Channel, Event, Run, Sample, Sink, Stamp, Status
from riglog.sinks import MemorySink
from riglog.testing import LoopClock

RUN = Run("test", "test", 0, 0, None, "host", {})
SEEDS = range(40)


def channel(device: str) -> Channel:
    return Channel(device=device, driver="toy", protocol="toy", address=None, parameter="level", unit="mm")


class Port:
    """A source whose devices come and go; ``delays`` are the seconds that its polls take, in turn."""

    pace = Pace.HOST

    def __init__(self, name: str, rate_hz: float | None, delays: Sequence[float], clock: LoopClock) -> None:
        self.name = name
        self.rate_hz = rate_hz
        self.delays = delays
        self.devices: list[str] = []
        self.clock = clock
        self.polls = 0

    @property
    def channels(self) -> list[Channel]:
        return [channel(device) for device in self.devices]

    async def poll(self) -> list[Sample]:
        channels = self.channels
        self.polls += 1
        started = self.clock.monotonic_ns()
        delay = self.delays[self.polls % len(self.delays)]
        await (anyio.sleep_forever() if delay == float("inf") else anyio.sleep(delay))
        if delay and self.polls % 5 == 0:
            raise ReplyTimeoutError("no reply")
        now = self.clock.monotonic_ns()
        stamp = Stamp(self.clock.utc_ns(), now - started, (started + now) // 2)
        return [Sample(channel=channel, stamp=stamp, value=float(self.polls), unit="mm") for channel in channels]


class Group:
    """Ports side by side; ``present`` is when each device was there, with the rate of its port."""

    closed = False

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.ports: list[Port] = []
        self.moved: set[str] = set()  # its rows come from two ports, which do not wait for each other
        self.present: dict[str, list[tuple[float, int, int | None]]] = defaultdict(list)
        self._port_of: dict[str, Port] = {}
        self._changed = anyio.Event()

    def sources(self, names: object = None) -> list[Port]:
        return [port for port in self.ports if port.devices]

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        return lambda: None

    async def changed(self) -> None:
        await self._changed.wait()

    def add(self, port: Port, device: str, rate_hz: float, *, since_ns: int | None = None) -> None:
        port.devices = [*port.devices, device]
        if self._port_of.setdefault(device, port) is not port:
            self.moved.add(device)
        self.present[device].append((rate_hz, self.clock.monotonic_ns() if since_ns is None else since_ns, None))
        self._notify()

    def remove(self, port: Port, device: str) -> None:
        port.devices = [other for other in port.devices if other != device]
        rate_hz, since, _ = self.present[device].pop()
        self.present[device].append((rate_hz, since, self.clock.monotonic_ns()))
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Store(MemorySink):
    """Takes ``per_sample`` seconds for a sample, and fails in ``failing`` (from, to)."""

    def __init__(self, name: str, per_sample: float = 0.0, failing: tuple[float, float] = (0, 0)) -> None:
        super().__init__()
        self.name = name
        self.per_sample = per_sample
        self.failing = failing

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        await anyio.sleep(self.per_sample * sum(len(batch.samples) for batch in batches))
        if self.failing[0] <= anyio.current_time() - self.start < self.failing[1]:
            raise StorageError("disk full")
        await super().write(batches, events)

    async def open(self, run: Run) -> None:
        self.start = anyio.current_time()
        await super().open(run)


@dataclass
class Case:
    """What happened in one seed."""

    group: Group
    active_run: ActiveRun
    sinks: list[Store]
    until_ns: int  # slots due later have no row
    inclusive: bool
    results: list[SinkResult] = field(default_factory=list)
    steps_s: float = 0.0
    derived: Derived | None = None

    def due_ns(self, tick: int, rate_hz: float) -> int:
        return self.active_run.summary.anchor_ns + round(tick * NS / rate_hz)

    def expected(self, device: str) -> list[int]:
        """The slots of a device, without steps of the clock."""
        ticks: list[int] = []
        for rate_hz, since, removed in self.group.present[device]:
            tick = 0
            while (due := self.due_ns(tick, rate_hz)) < self.until_ns or (self.inclusive and due == self.until_ns):
                if since < due and (removed is None or due <= removed):
                    ticks.append(tick)
                tick += 1
        return ticks


def sum_of(one: str, other: str, group: Group) -> Derived:
    """A derived channel of two devices, perhaps of different rates."""
    rates = {f"{device}.level": group.present[device][0][0] for device in (one, other)}
    return Derived(
        name="sum",
        formula=read_formula(f"{one}.level + {other}.level"),
        leads=tuple(name for name, rate in rates.items() if rate == max(rates.values())),
        periods={name: 1 / rate for name, rate in rates.items()},
    )


@dataclass
class Options:
    """What a seed may draw."""

    changes: bool = True
    slow_sinks: bool = True
    steps: bool = False
    derived: bool = False


async def play(seed: int, options: Options) -> Case:
    draw = random.Random(seed)
    clock = LoopClock()
    group = Group(clock)
    length = draw.choice([6.0, 15.0, 40.0])
    rate = draw.choice([1.0, 2.0, 10.0])
    start = clock.monotonic_ns()
    kinds = [[0.0], [0.01, 0.3], [0.0, 0.0, 2.5], [0.7], [0.0] * 7 + [float("inf")], [0.0] * 9 + [draw.uniform(11, 25)]]
    for number in range(draw.randint(1, 3)):
        own = draw.choice([None, 0.5, 3.0])
        port = Port(f"port{number}", own, draw.choice(kinds), clock)
        group.ports.append(port)
        for device in range(draw.randint(1, 2)):
            group.add(port, f"d{number}{device}", own or rate, since_ns=start - 1)
    sinks = [Store("healthy")]
    if draw.random() < 0.4 and options.slow_sinks:
        sinks.append(Store("slow", draw.choice([0.02, 0.2])))
    if draw.random() < 0.5:
        sinks.append(Store("failing", failing=(draw.uniform(0, length), draw.choice([length / 2, 1e9]))))
    end = draw.choice(["duration", "stop", "cancel", "cancel pipe"])
    moment = draw.choice([draw.uniform(0.1, length), float(draw.randint(1, int(length)))])
    case: Case

    async def change() -> None:
        while True:
            await anyio.sleep(draw.choice([draw.uniform(0.01, 5), 1.0, 2.0]))
            port = draw.choice(group.ports)
            if port.devices and draw.random() < 0.6:
                device = draw.choice(port.devices)
                group.remove(port, device)
                if draw.random() < 0.3:  # at once, perhaps elsewhere at the same rate
                    other = draw.choice([other for other in group.ports if other.rate_hz == port.rate_hz])
                    group.add(other, device, other.rate_hz or rate)
            else:
                absent = [
                    device
                    for device in group.present
                    if group.present[device][-1][0] == (port.rate_hz or rate)
                    and all(device not in other.devices for other in group.ports)
                ]
                if absent:
                    group.add(port, draw.choice(absent), port.rate_hz or rate)

    async def step() -> None:
        while True:
            await anyio.sleep(draw.choice([draw.uniform(0.5, 8), 3.0]))
            seconds = draw.choice([3600.0, 7.3, 2.0])
            clock.step_ns += round(seconds * NS)
            case.steps_s += seconds

    async def finish(active_run: ActiveRun, *scopes: anyio.CancelScope) -> None:
        await anyio.sleep(moment)
        case.until_ns, case.inclusive = clock.monotonic_ns(), True
        active_run.stop() if end == "stop" else [scope.cancel() for scope in scopes]

    with anyio.CancelScope() as everything:
        async with (
            record(
                group,
                rate_hz=rate,
                duration=length if end == "duration" else None,
                buffer_size=draw.choice([2, 64]),
                clock=clock,
            ) as active_run,
            anyio.create_task_group() as tasks,
        ):
            case = Case(group, active_run, sinks, clock.monotonic_ns() + round(length * NS), False)
            if options.derived:
                case.derived = sum_of(next(iter(group.present)), [*group.present][-1], group)
                active_run.derivation = Deriver([case.derived], clock)
            if options.changes and draw.random() < 0.7:
                tasks.start_soon(change)
            if options.steps:
                tasks.start_soon(step)
            with anyio.CancelScope() as piping:
                if end != "duration":
                    tasks.start_soon(finish, active_run, piping if end == "cancel pipe" else everything)
                try:
                    case.results = await pipe(
                        active_run, *sinks, run=RUN, flush_interval=draw.choice([0.2, 3]), buffer_size=40, clock=clock
                    )
                except SamplesLostError as error:
                    case.results = error.results
            tasks.cancel_scope.cancel()
    return case


def ticks_of(sink: MemorySink) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for batch in sink.batches:
        for sample in batch.samples:
            assert batch.tick is not None
            found[sample.device].append(batch.tick)
    return found


def check_sinks(case: Case) -> None:
    """No sink loses a row without a word."""
    stored = {sink.name: len(sink.samples) for sink in case.sinks}
    lost = {result.name: result.lost for result in case.results}
    for name, count in stored.items():
        assert count + lost.get(name, 0) == case.active_run.summary.samples, name
    if lost.get("failing"):
        count = lost["failing"]
        reports = [event.message for event in case.sinks[0].events if "sink failing" in event.message]
        assert any(f"{count} samples lost" in report or f"{count} lost" in report for report in reports)


def check_reasons(case: Case) -> None:
    """A reason is given only if what it names can have happened."""
    samples = case.sinks[0].samples
    reasons = {sample.error for sample in samples if sample.status is Status.SKIPPED}
    assert reasons <= {OVERRUN, HANGING, SLOW_SINKS, STOPPED, *([STEPPED_BEFORE] if case.steps_s else [])}
    assert BUSY not in reasons, "nothing blocks in virtual time"
    if all(max(port.delays) < 1 / (port.rate_hz or case.active_run.rate_hz) for port in case.group.ports):
        assert not reasons & {OVERRUN, HANGING}
    if all(max(port.delays) < 10 for port in case.group.ports):
        assert HANGING not in reasons
        assert NOT_RETURNED not in {sample.error for sample in samples}
    if all(sink.per_sample == 0 for sink in case.sinks):
        assert SLOW_SINKS not in reasons
    missing = {sample.error for sample in samples if sample.status is Status.MISSING}
    assert missing <= {NOT_RETURNED, CANCELLED, REMOVED, STEPPED, "no reply"}


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_due_slot_has_one_row(seed: int) -> None:
    case = await play(seed, Options())
    ticks = ticks_of(case.sinks[0])
    for device in case.group.present:
        found = sorted(ticks[device]) if device in case.group.moved else ticks[device]
        assert found == case.expected(device), device
    check_sinks(case)
    check_reasons(case)


@pytest.mark.parametrize("seed", range(16))
async def test_a_derived_channel_has_one_row_for_each_slot_of_its_leading_inputs(seed: int) -> None:
    case = await play(seed, Options(derived=True))
    assert case.derived is not None
    leads = [name.partition(".")[0] for name in case.derived.leads]
    ticks = ticks_of(case.sinks[0])["derived"]
    assert sorted(ticks) == sorted({tick for device in leads for tick in case.expected(device)})
    if not case.group.moved & {*leads}:
        assert ticks == sorted(ticks)
    check_sinks(case)
    raw = {
        (batch.tick, sample.device): sample.value
        for batch in case.sinks[0].batches
        for sample in batch.samples
        if sample.channel.formula is None
    }
    for batch in case.sinks[0].batches:
        for sample in batch.samples:
            if sample.channel.formula is not None and sample.value is not None and len(leads) == 2:
                first, second = (raw[batch.tick, device] for device in leads)
                assert sample.value == float(first) + float(second)


@pytest.mark.parametrize("seed", SEEDS)
async def test_slots_keep_their_times_when_the_clock_goes_forward(seed: int) -> None:
    case = await play(seed, Options(changes=False, slow_sinks=False, steps=True))
    check_sinks(case)
    check_reasons(case)
    summary = case.active_run.summary
    for device, ticks in ticks_of(case.sinks[0]).items():
        ((rate_hz, _, _),) = case.group.present[device]
        assert ticks == sorted(set(ticks)), device
        without_row = ticks[-1] - ticks[0] + 1 - len(ticks)
        assert without_row <= case.steps_s * rate_hz + case.steps_s, device
    longest = max(delay for port in case.group.ports for delay in port.delays)
    for batch in case.sinks[0].batches:
        for sample in batch.samples:
            ((rate_hz, _, _),) = case.group.present[sample.device]
            assert batch.tick is not None
            late_s = (sample.stamp.received_ns - summary.started_ns) / NS - batch.tick / rate_hz
            assert -1e-3 < late_s <= longest + 1 / rate_hz + 1e-3, (sample, batch.tick)


def test_the_sinks_of_the_schedules_are_sinks() -> None:
    assert issubclass(Store, Sink)
