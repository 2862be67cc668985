"""Recordings made without instruments: samples of every shape, handed to a sink as a recorder would."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import anyio
from msgspec import structs

from riglog.manager import Manager, resolve_device
from riglog.model import NS, Batch, Channel, Event, EventKind, Run, Sample, Sink, Stamp, Status, missing_sample
from riglog.plugin import installed
from riglog.sinks import SqliteSink
from riglog.testing import LoopClock

START = 1_795_176_000 * NS + 123_456_789  # 2026-11-20T12:00:00.123456789Z
ANCHOR = 5_000 * NS

WARM = Channel(
    device="oven",
    driver="watlow",
    protocol="stdbus",
    address=1,
    parameter="process_value",
    parameter_id=4001,
    unit="degC",
)
ZONE = structs.replace(WARM, instance=2)
MODE = Channel(
    device="oven", driver="watlow", protocol="stdbus", address=1, parameter="control_mode", parameter_id=8001
)
GAS = Channel(device="stack", driver="servomex", protocol="modbus-rtu", address=3, parameter="I1", unit="vpm")
DOOR = Channel(device="stack", driver="servomex", protocol="modbus-rtu", address=3, parameter="alarm")
NET = Channel(device="balance", driver="sartorius", protocol="sbi", address=None, parameter="net", unit="g")
SERIAL = Channel(device="balance", driver="sartorius", protocol="sbi", address="7O1", parameter="serial_number")


def make_run(name: str = "bench", *, number: int = 0, host: str = "lab-pc", rate_hz: float = 2.0) -> Run:
    started = START + number * 3600 * NS
    return Run(f"{name}.{number:04d}", name, started, ANCHOR, rate_hz, host, {"riglog": "0.1.0"}, "[run]\n")


def stamp(run: Run, seconds: float, latency: float | None = 0.003) -> Stamp:
    """The stamp of an exchange that ended so many seconds after the run's start."""
    after = round(seconds * NS)
    took = None if latency is None else round(latency * NS)
    return Stamp(run.started_ns + after, took, run.anchor_ns + after - (took or 0) // 2)


def varied(run: Run, ticks: int = 3) -> list[Batch]:
    """Every shape a sample can have: numbers, words, both, none; with and without flags, unit, latency, tick."""
    found = []
    for tick in range(ticks):
        at = stamp(run, tick * 0.5 + 0.01)
        oven = [
            Sample(channel=WARM, stamp=at, value=20.0 + tick / 3, unit="degC"),
            missing_sample(ZONE, at, Status.MISSING, 'no reply, "oven" is silent; line 2, or so'),
            Sample(channel=MODE, stamp=at, value=62, unit=None, text="heat"),
        ]
        stack = [
            Sample(
                channel=GAS,
                stamp=stamp(run, tick * 0.5 + 0.2, 0.048),
                value=-1.5e-9,
                unit="vpm",
                status=Status.SUSPECT,
                flags=("warming_up", "alarm1"),
            ),
            Sample(channel=DOOR, stamp=stamp(run, tick * 0.5 + 0.2, 0.048), value=True, unit=None),
        ]
        net = Sample(
            channel=NET,
            stamp=stamp(run, tick * 0.5 + 0.25, None),
            value=123.456,
            unit=["g", "kg", "ct"][tick % 3],
            flags=("stable",),
        )
        found += [Batch("bus1", tick, oven), Batch("bus2", tick, stack), Batch("balance", None, [net])]
    found.append(
        Batch("balance", None, [Sample(channel=SERIAL, stamp=stamp(run, ticks * 0.5), value="Größe µ-7", unit=None)])
    )
    return found


def steady(run: Run, channels: Sequence[Channel], ticks: int, *, first: int = 0) -> Iterator[Batch]:
    """What a healthy rig records: every channel a number in every tick."""
    for tick in range(first, first + ticks):
        at = stamp(run, (tick + 0.01) / (run.rate_hz or 1.0) + (tick % 7) * 1e-4)
        yield Batch(
            "bus",
            tick,
            [Sample(channel=channel, stamp=at, value=tick + 0.1, unit=channel.unit) for channel in channels],
        )


def later(batches: Iterable[Batch], seconds: float) -> list[Batch]:
    """The same batches, so many seconds later by UTC; earlier if negative: the clock was set."""
    moved = round(seconds * NS)
    return [
        structs.replace(
            batch,
            samples=[
                structs.replace(
                    sample, stamp=structs.replace(sample.stamp, received_ns=sample.stamp.received_ns + moved)
                )
                for sample in batch.samples
            ],
        )
        for batch in batches
    ]


EVENTS = [
    Event(START, EventKind.RUN_STARTED, "recording at 2 Hz started"),
    Event(START + NS, EventKind.PORT_LOST, "cable out", port="/dev/ttyUSB0"),
]


async def store(sink: Sink, run: Run, batches: Sequence[Batch], events: Sequence[Event] = ()) -> None:
    """Record batches into a sink, in two flushes."""
    await sink.check()
    await sink.open(run)
    half = len(batches) // 2
    await sink.write(batches[:half], events)
    await sink.write(batches[half:], ())
    await sink.aclose()


async def sqlite_recording(path: Path, *runs: Run) -> Path:
    """An SQLite recording with everything in it."""
    for run in runs or [make_run()]:
        await store(SqliteSink(path), run, varied(run), EVENTS)
    return path


async def every_driver() -> dict[str, list[Batch]]:
    """What each installed driver says in its demonstration, and every shape a sample can have."""
    registry = installed()
    names = [name for name, driver in registry.drivers.items() if driver.demo()]
    return {name: await demo_batches(name) for name in names} | {"every shape": varied(make_run())}


async def demo_batches(name: str) -> list[Batch]:
    """Two polls of what ``riglog demo`` would record with one driver."""
    registry = installed()
    tables = [dict(table) for table in registry.driver(name).demo()]
    async with Manager(clock=LoopClock()) as manager:
        for table in tables:
            await manager.add_spec(resolve_device(registry, table | {"port": f"sim:{name}-{table['port']}"}))
        found = []
        for tick in range(2):
            with anyio.fail_after(60):
                for source in manager.sources():
                    found.append(Batch(source.name, tick, await source.poll()))
    return found
