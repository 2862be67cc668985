"""The world around the program: clocks, ports with cables, instruments, stores, and the person who starts it again.

The whole program runs in it as ``riglog record`` runs it, in virtual time. Everything is drawn from one seed: the same
seed gives the same world.
"""

import errno
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup
from msgspec import Struct, field

from rig_years.instruments import Instrument, instrument
from rig_years.plan import Disturbance, Plan, PortPlan, Session
from riglog.acquire import ActiveRun
from riglog.acquire.buffer import BatchBuffer
from riglog.config import load_rig
from riglog.errors import PortNotFoundError, RiglogError, StorageError
from riglog.manager import DeviceSpec, Manager
from riglog.model import NS, Batch, Event, Sink
from riglog.protocol.line import LATE_REPLY_LIMIT
from riglog.rig import Outcome, record_rig
from riglog.simulation import (
    Fault,
    FaultyWire,
    ScheduledSimulator,
    SimulatedBus,
    SimulatedPeer,
    SimulatedTransport,
    Simulator,
    Timeline,
    TruthfulSimulator,
)
from riglog.sinks import SqliteSink
from riglog.sinks.text_files import TextFileSink
from riglog.testing.virtual_time import EPOCH_NS, LoopClock
from riglog.transport import Link, Transport

BOOT_NS = 10**16
"""The monotonic clock at the begin of session n is about n + 1 times this: each session runs after a reboot."""
OPENING_RETRY_SECONDS = 5.0
ROUNDING_SECONDS = 1e-9
"""Added to a difference of times, so that it is not too short: a loop would wait for nothing for ever."""
STORE = getattr(sys.modules["riglog.rig.record"], "store", None) or sys.modules["riglog.rig.record"].pipe
TORN_LINE = b'{"run":"rig,17,oven'
SINKS = ("sqlite", "csv", "jsonl")

Stored = tuple[str, str, int, int | None, int, str]
"""Device, parameter, instance, tick, monotonic time and status of a sample."""


class WorldClock(LoopClock):
    """The clocks of the computer. ``boot_ns`` differs in every session."""

    boot_ns = BOOT_NS

    def utc_ns(self) -> int:
        return EPOCH_NS + self.step_ns + round(anyio.current_time() * NS)

    def monotonic_ns(self) -> int:
        return self.boot_ns + round(anyio.current_time() * NS)


class DrawnWire(FaultyWire):
    """A line that damages replies in the times and at the rates of its plan, and delays none longer than ``latest``."""

    def __init__(
        self, simulator: Simulator, spells: Sequence[Disturbance], period: float, latest: float, rng: random.Random
    ) -> None:
        super().__init__(simulator)
        self.injected: Counter[str] = Counter()
        self._spells = spells
        self._random = rng
        self._period = period
        self._latest = latest
        self._now = 0.0
        self._opening = random.Random(rng.random())
        self._begin_is_lost = False

    def open_in_a_frame(self) -> None:
        """The port is opened while the instrument may be sending a frame: the begin of that one is lost."""
        self._begin_is_lost = self._opening.random() < 0.8

    def send(self, data: bytes, now: float) -> None:
        self._now = now
        super().send(data, now)

    def take(self, now: float) -> bytes:
        self._now = now
        return super().take(now)

    def _next_fault(self) -> Any:
        for spell in self._spells:
            if spell.start <= self._now < spell.end:
                for kind, rate in spell.rates.items():
                    if self._random.random() < rate:
                        self.injected[kind] += 1
                        return kind
        return None

    def _damaged(self, reply: bytes, due: float, fault: Any) -> list[tuple[float, bytes]]:
        if self._begin_is_lost:
            self._begin_is_lost = False
            self.injected["opened-in-a-frame"] += 1
            fields = [at for at in range(1, len(reply)) if reply[at - 1 : at] == b" " != reply[at : at + 1]]
            anywhere = self._opening.randrange(1, len(reply))
            return [(due, reply[self._opening.choice([anywhere, *fields]) :])]
        if fault == "late":
            return [(due + self._random.uniform(0.3, 2.5), reply)]
        if fault == "late-aimed":
            aimed = self._period + self._random.uniform(-0.05, 0.3)
            return [(due + min(aimed, self._latest - self._random.uniform(0.0, 1.0)), reply)]
        if fault == "copy":
            return [(due, reply), (due + self._random.choice([0.0005, 0.01, 0.2, 1.0]), reply)]
        if fault == "copy-sent":
            return [(due, reply), (due + self._random.uniform(0.6, 5.0), reply)]
        return super()._damaged(reply, due, None if fault is None else Fault(fault.removesuffix("-sent")))


class SleepingPeer(SimulatedPeer):
    """A peer whose time went on while the computer slept."""

    def __init__(self, peer: SimulatedPeer, world: "World") -> None:
        self.peer = peer
        self.world = world

    def send(self, data: bytes, now: float) -> None:
        self.peer.send(data, now + self.world.slept)

    def take(self, now: float) -> bytes:
        return self.peer.take(now + self.world.slept)

    def next_due(self, now: float) -> float | None:
        due = self.peer.next_due(now + self.world.slept)
        return None if due is None else due - self.world.slept + ROUNDING_SECONDS


class Port:
    """One port of the computer, and what is connected to it."""

    def __init__(self, plan: PortPlan, world: "World") -> None:
        rng = random.Random(f"port {world.plan.seed} {plan.key}")
        self.plan = plan
        self.world = world
        self.cables_out = 0
        self.places = {
            str(table["name"]): ScheduledSimulator(
                instrument(table, random.Random(f"{world.plan.seed} {table['name']}"))
            )
            for table in plan.devices
        }
        spells = [found for found in world.plan.disturbances if found.kind == "wire" and found.port == plan.key]
        latest = inf if plan.key == "pm-tcp" else LATE_REPLY_LIMIT
        self.wire = self.drawn_wire = DrawnWire(
            SimulatedBus(self.places.values()), spells, world.plan.period, latest, rng
        )
        self.open_transports: list[PortTransport] = []

    def stranger(self, device: str) -> Instrument:
        table = next(table for table in self.plan.devices if table["name"] == device)
        return instrument(table, random.Random(f"stranger {self.world.plan.seed}"), stranger=True)

    def pull(self) -> None:
        """Pull the cable."""
        self.cables_out += 1
        for transport in self.open_transports:
            transport.cut()

    def plug_in(self) -> None:
        self.cables_out -= 1

    async def open(self) -> Transport:
        await anyio.sleep(0.01)
        if self.cables_out:
            raise PortNotFoundError("port not found", hint="Check the cable", port=self.plan.port)
        self.wire.take(self.world.now())  # nobody has received it
        if self.plan.listens:
            self.drawn_wire.open_in_a_frame()
        transport = PortTransport(self)
        self.open_transports.append(transport)
        return transport

    def wake(self) -> None:
        """The computer has slept: what arrived meanwhile is lost."""
        self.wire.take(self.world.now())
        for transport in self.open_transports:
            transport._wake()


class PortTransport(SimulatedTransport):
    """A port that was opened."""

    def __init__(self, owner: Port) -> None:
        super().__init__(SleepingPeer(owner.wire, owner.world), port=owner.plan.port)
        self.owner = owner

    async def aclose(self) -> None:
        if self in self.owner.open_transports:
            self.owner.open_transports.remove(self)
        await super().aclose()


class SessionLog(Struct):
    """What was seen of one session. Times are those of the event loop, in seconds.

    Attributes:
        acknowledged: per sink, the samples that it has reported as stored.
        left: the times in which a device was not part of the rig, per device.
    """

    session: Session
    begun: float | None = None
    ended: float | None = None
    finished: float | None = None
    crashed: bool = False
    openings_failed: int = 0
    error: BaseException | None = None
    outcome: Outcome | None = None
    run: str = ""
    events: list[tuple[float, Event]] = field(default_factory=list)
    acknowledged: dict[str, list[Stored]] = field(default_factory=lambda: {name: [] for name in SINKS})
    left: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    ports_left_open: list[str] = field(default_factory=list)


class World:
    """One rig and its life. ``run`` lives it; ``logs`` and the files in ``folder`` are what is left of it.

    ``collects``: whether a recording collects garbage when it starts, as the program does. It takes long, and changes
    nothing but memory.
    """

    collects = False

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.clock = WorldClock()
        self.slept = 0.0
        self.sleeps: Timeline[float] = Timeline(0.0)  # by the time of the event loop
        self.utc_steps: Timeline[int] = Timeline(0)  # likewise
        self.ports = {port.port: Port(port, self) for port in plan.ports}
        self.logs: list[SessionLog] = []
        self.log: SessionLog | None = None
        self.manager: Manager | None = None
        self.injected: Counter[str] = Counter()
        self.specs: Sequence[DeviceSpec] = ()
        self._tasks: TaskGroup
        self._jumped = anyio.Event()
        self._write_rig()
        self._schedule()

    def now(self) -> float:
        """The time of the world, which does not sleep."""
        return anyio.current_time() + self.slept

    def place(self, device: str) -> ScheduledSimulator:
        return next(port.places[device] for port in self.ports.values() if device in port.places)

    async def run(self) -> None:
        """Live: record, be disturbed, end, start again."""
        with self._patched():
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self._direct)
                for session in self.plan.sessions:
                    await self._sleep_until(session.start)
                    self._set_utc(session.utc_step)
                    self.clock.boot_ns = BOOT_NS * (session.number + 1)
                    await self._program(session)
                tasks.cancel_scope.cancel()

    # --- the program

    async def _program(self, session: Session) -> None:
        """Start the program, again and again until the rig can be opened; it ends as the session demands."""
        self.log = log = SessionLog(session)
        self.logs.append(log)
        while self.now() < session.end and log.begun is None and log.error is None:
            await self._record(session, log)
            if log.begun is None:
                log.openings_failed += 1
                await anyio.sleep(OPENING_RETRY_SECONDS)
        log.finished = anyio.current_time()
        log.ports_left_open = [port.plan.key for port in self.ports.values() if port.open_transports]
        self.log = self.manager = None

    async def _record(self, session: Session, log: SessionLog) -> None:
        config = load_rig(self.folder / "rig.toml")
        self.specs = config.specs
        for number, sink in enumerate(config.sinks):
            self._weather(sink, number, log)
        stop = anyio.Event()
        has_run = any(other.run for other in self.logs)
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            tasks.start_soon(self._end, session, log, stop, scope)
            with scope, catching(log):
                log.outcome = await record_rig(
                    config,
                    resume=session.resume and has_run,
                    stop=stop,
                    on_start=partial(self._started, log),
                    on_event=lambda event: log.events.append((anyio.current_time(), event)),
                    clock=self.clock,
                )
            tasks.cancel_scope.cancel()

    def _started(self, log: SessionLog, recording: ActiveRun) -> None:
        log.begun = anyio.current_time()

    async def _end(self, session: Session, log: SessionLog, stop: anyio.Event, scope: anyio.CancelScope) -> None:
        await self._sleep_until(session.end)
        log.ended = anyio.current_time()
        self.injected[session.ending] += 1
        log.crashed = session.ending == "crash"
        if session.ending == "stop":
            stop.set()
        else:
            scope.cancel()

    def _weather(self, sink: Sink, number: int, log: SessionLog) -> None:
        """Let a sink be slow, fail, and end with the program when that is killed."""
        spells = [
            found
            for found in self.plan.disturbances
            if found.kind == "store-full" or (found.kind.startswith("store") and int(found.start) % 4 in (number, 3))
        ]
        opened, written, closed = sink.open, sink.write, sink.aclose

        async def open_(run: Any) -> None:
            log.run = run.id
            await opened(run)

        async def write(batches: Sequence[Batch], events: Sequence[Event]) -> None:
            for spell in spells:
                if not log.crashed and spell.start <= self.now() < spell.end:
                    self.injected[spell.kind] += 1
                    await self._disturb_store(spell)
            if log.crashed:
                return
            await written(batches, events)
            log.acknowledged[sink.name] += stored(batches)

        async def close() -> None:
            if log.crashed:
                abandon(sink)
            else:
                await closed()

        sink.open, sink.write, sink.aclose = open_, write, close  # type: ignore[method-assign]

    async def _disturb_store(self, spell: Disturbance) -> None:
        if spell.kind in ("store-slow", "store-full"):
            await anyio.sleep(spell.detail)
        elif spell.detail < 0.5:
            raise OSError(errno.ENOSPC, "No space left on device")
        else:
            raise StorageError("write failed: the disk was removed")

    # --- what happens to the rig

    def _schedule(self) -> None:
        """Tell the instruments what happens to them."""
        rng = random.Random(f"schedule {self.plan.seed}")
        for found in self.plan.disturbances:
            if found.device is None or found.port is None:
                continue
            place = self.place(found.device)
            port = next(port for port in self.ports.values() if port.plan.key == found.port)
            stranger = port.stranger(found.device)
            match found.kind:
                case "off":
                    place.schedule_power(found.start, False)
                    place.schedule_power(found.end, True)
                case "swap-off" | "swap-silent":
                    outage = self.swap_outage(found)
                    for begin, other in ((found.start, stranger), (found.end - outage, place.own)):
                        place.schedule_power(begin, False)
                        place.schedule_swap(begin + outage / 2, other)
                        place.schedule_power(begin + outage, True)
                case "swap-cut":
                    outage = self.swap_outage(found)
                    place.schedule_swap(found.start + outage / 2, stranger)
                    place.schedule_swap(found.end - outage / 2, place.own)
                case "swap-live" | "swap-between-runs":
                    place.schedule_swap(found.start, stranger)
                    place.schedule_swap(found.end, place.own)
                case "panel-unit" | "panel-word_order" | "panel-decimals" | "panel-sensor":
                    self._schedule_panel(place, found, rng, found.kind.removeprefix("panel-"), 0)
                case "panel-during-poll":
                    self._schedule_panel(place, found, rng, "", rng.randint(1, 4))

    def _schedule_panel(
        self, place: ScheduledSimulator, found: Disturbance, rng: random.Random, setting: str, requests: int
    ) -> None:
        assert isinstance(place.own, Instrument)
        settings = [name for name in place.own.settings if not setting or name == setting]
        if not settings:
            return
        chosen, own_rng = rng.choice(settings), random.Random(rng.random())

        def change(connected: TruthfulSimulator, now: float) -> None:
            self.injected[found.kind] += 1
            connected.change(chosen, own_rng, now)  # type: ignore[attr-defined]

        if requests:
            place.schedule_after(found.start, requests, change)
        else:
            place.schedule(found.start, change)

    async def _direct(self) -> None:
        """Do what happens to cables, clocks and the rig, at its time."""
        acts: list[tuple[float, int, Callable[[], Any]]] = []
        for number, found in enumerate(self.plan.disturbances):
            acts += [(at, number, act) for at, act in self._acts(found)]
        for at, _, act in sorted(acts, key=lambda each: each[:2]):
            await self._sleep_until(at)
            act()

    def _acts(self, found: Disturbance) -> Iterator[tuple[float, Callable[[], Any]]]:
        port = next((port for port in self.ports.values() if port.plan.key == found.port), None)
        match found.kind:
            case "cable":
                assert port is not None
                yield found.start, port.pull
                yield found.end, port.plug_in
            case "swap-cut":
                assert port is not None
                outage = self.swap_outage(found)
                for at in (found.start, found.end - outage):
                    yield at, port.pull
                    yield at + outage, port.plug_in
            case "clock-step":
                yield found.start, lambda: self._set_utc(found.detail)
            case "suspend":
                yield found.start, lambda: self._suspend(found.detail)
            case "leave-and-join":
                yield found.start, lambda: self._tasks.start_soon(self._leave_and_join, found)
        if found.kind in ("cable", "off", "clock-step", "suspend") or found.kind.startswith("swap"):
            yield found.start, lambda: self.injected.update([found.kind])

    def swap_outage(self, found: Disturbance) -> float:
        """Return how long the cable or the power is off for a swap: with power off, the device must be missed."""
        return (
            3.5 * self.plan.period + 10.0 if found.kind in ("swap-off", "swap-silent") else 0.3 * self.plan.period + 1.0
        )

    async def _leave_and_join(self, found: Disturbance) -> None:
        """Remove a device from the rig that is being recorded, and add it again."""
        manager, log, device = self.manager, self.log, found.device
        if manager is None or log is None or log.begun is None or log.ended is not None or device is None:
            return
        self.injected[found.kind] += 1
        left = anyio.current_time()
        log.left.setdefault(device, []).append((left, float("inf")))
        await manager.remove(device)
        await self._sleep_until(found.end)
        spec = next(spec for spec in self.specs if spec.name == device)
        while not manager.closed:
            try:
                await manager.add_spec(spec)
            except RiglogError:
                await anyio.sleep(OPENING_RETRY_SECONDS)
            else:
                log.left[device][-1] = (left, anyio.current_time())
                return

    def _set_utc(self, step: float) -> None:
        if step:
            self.clock.step_ns += round(step * NS)
            self.utc_steps.set(anyio.current_time(), self.clock.step_ns)

    def _suspend(self, seconds: float) -> None:
        self.slept += seconds
        self.sleeps.set(anyio.current_time(), self.slept)
        self._set_utc(seconds)
        for port in self.ports.values():
            port.wake()
        self._jumped.set()
        self._jumped = anyio.Event()

    async def _sleep_until(self, at: float) -> None:
        """Sleep until a time of the world."""
        while (rest := at - self.now()) > 0:
            with anyio.move_on_after(rest):
                await self._jumped.wait()

    # --- the computer

    def _write_rig(self) -> None:
        lines = ["[run]", 'name = "rig"', f"rate_hz = {1 / self.plan.period!r}"]
        lines.append(f"flush_interval = {self.plan.flush_interval}")
        for kind in SINKS:
            lines += ["[[sink]]", f'type = "{kind}"', f'path = "{(self.folder / f"rig.{kind}").as_posix()}"']
        for port in self.plan.ports:
            for table in port.devices:
                rate = self.plan.own_rates.get(str(table["name"]))
                whole = {**table, "port": port.port, **({} if rate is None else {"rate_hz": rate})}
                lines += ["[[device]]", *(f"{key} = {_toml(value)}" for key, value in whole.items())]
        (self.folder / "rig.toml").write_text("\n".join(lines))

    async def _open(self, name: str, link: Link) -> Transport:
        return await self.ports[name].open()

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Put the program into this world: its ports, its threads, its Manager within reach."""
        world, stream_size = self, self.plan.stream_size

        class SeenManager(Manager):
            async def __aenter__(self) -> "SeenManager":
                world.manager = self
                return self

        with ExitStack() as stack:
            for target, replacement in (
                ("riglog.manager.manager.open_transport", self._open),
                ("riglog.rig.record.Manager", SeenManager),
                (f"riglog.rig.record.{STORE.__name__}", partial(STORE, buffer_size=self.plan.buffer_size)),
                ("riglog.acquire.recorder.BatchBuffer", lambda size, overflow: BatchBuffer(stream_size, overflow)),
                ("riglog.model.run.versions", dict),  # takes long, and changes nothing
                ("anyio.to_thread.run_sync", _inline),
                *([] if self.collects else [("gc.collect", int)]),
            ):
                stack.enter_context(mock.patch(target, replacement))
            yield


@contextmanager
def catching(log: SessionLog) -> Iterator[None]:
    """Keep the error with which the program ends. That a device cannot be opened is none: it is started again."""
    try:
        yield
    except Exception as error:
        if log.begun is not None or not isinstance(error, RiglogError):
            log.error = error


def abandon(sink: Sink) -> None:
    """Leave a file as a killed process leaves it; a text file with the begin of a line at its end."""
    if isinstance(sink, SqliteSink) and sink._file is not None:
        sink._file.database.close()
        if (lock := getattr(sink._file, "lock", None)) is not None:
            lock.release()
    elif isinstance(sink, TextFileSink) and sink._file is not None:
        os.lseek(sink._file, 0, os.SEEK_END)
        os.write(sink._file, TORN_LINE)
        os.close(sink._file)


async def _inline(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run a blocking call here and now: virtual time would not wait for a thread."""
    await anyio.lowlevel.checkpoint()
    return call(*args)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def stored(batches: Sequence[Batch]) -> Iterator[Stored]:
    """Return the keys of all samples of some batches."""
    for batch in batches:
        for sample in batch.samples:
            yield (
                sample.device,
                sample.parameter,
                sample.instance,
                batch.tick,
                sample.stamp.monotonic_ns,
                sample.status.value,
            )
