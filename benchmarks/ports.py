"""Many devices on many ports, recorded into SQLite: slots missed, lateness, and what it costs.

Each port is a pseudo-terminal with its instruments behind it, in a process of its own. Characters take no time, and
there is no gap between requests: riglog keeps it only where a UART may be. The cost of a sample is that between two
moments of the recording; what it costs to begin and to end one is given beside it. The floor is the raw exchange of one
request on one port.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import client_cost
from figure import ROUNDS, Extent, Figure
from measuring import instrument
from polls import PATIENT

from riglog import Manager, SqliteSink, new_run, pipe, record
from riglog.acquire import AcquisitionSummary, ActiveRun

Table = dict[str, Any]
MEASURED = 0.1, 0.8
"""Parts of a recording after which its cost begins to count, and for which it counts."""


class Rig(NamedTuple):
    """So many ports with so many devices on each."""

    ports: int
    on_each: int
    rate_hz: float
    seconds: float


SHORT = [Rig(4, 4, 100.0, 1.0)]
LONG = [
    Rig(4, 4, 100.0, 10.0),
    *(Rig(ports, 1, 10.0, 5.0) for ports in (1, 4, 16, 64)),
    *(Rig(4, devices // 4, 1.0, 10.0) for devices in (4, 16, 64, 256)),
]


def tables(port: int, on_each: int) -> Iterator[Table]:
    """The devices on one port."""
    for address in range(1, on_each + 1):
        name = f"oven{port}-{address}"
        bus = (
            {"protocol": "modbus-rtu", "address": address}
            if on_each > 16
            else {"protocol": "stdbus", "address": address}
        )
        yield {"name": name, "driver": "watlow", "parameters": ["setpoint"], **bus}


class Cost(NamedTuple):
    """CPU of a sample while it is recorded (user and system mode, in microseconds), and of the rest, in ms."""

    user: float
    system: float
    begin_and_end: float


async def recorded(ports: dict[str, list[Table]], path: Path, shape: Rig) -> tuple[AcquisitionSummary, Cost]:
    """What the recording did, and what it cost."""
    seen: list[tuple[resource.struct_rusage, int]] = []

    async def watch(recording: ActiveRun) -> None:
        for part in MEASURED:
            await anyio.sleep(shape.seconds * part)
            seen.append((resource.getrusage(resource.RUSAGE_SELF), recording.summary.samples))

    async with Manager() as rig:
        for port, devices in ports.items():
            for table in devices:
                options = dict(table)
                await rig.add(options.pop("name"), port, **options)
        run = new_run("ports")  # before the first slot: it looks at every installed distribution
        begun = time.process_time()
        async with (
            anyio.create_task_group() as tasks,
            record(rig, rate_hz=shape.rate_hz, duration=shape.seconds) as recording,
        ):
            tasks.start_soon(watch, recording)
            await pipe(recording, SqliteSink(path), run=run)
        whole = time.process_time() - begun
    (before, first), (after, last) = seen
    user, system = ((after[n] - before[n]) / (last - first) for n in (0, 1))
    rest = whole - (user + system) * recording.summary.samples
    return recording.summary, Cost(user * 1e6, system * 1e6, rest * 1e3)


def cost(shape: Rig, backend: str) -> tuple[float, str]:
    """Return microseconds of CPU per sample, and what else is worth knowing."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ports = {}
        for number in range(shape.ports):
            devices = list(tables(number, shape.on_each))
            ports[stack.enter_context(instrument(*devices, pinned=False))] = devices
        summary, took = anyio.run(recorded, ports, Path(folder) / "ports.sqlite", shape, backend=backend)
    slots = f"{summary.slots_skipped} of {summary.slots_polled + summary.slots_skipped} slots missed"
    parts = f"{took.system:.0f} of them in the kernel, and {took.begin_and_end:.0f} ms to begin and end"
    return took.user + took.system, f"{parts}; {slots}; {described(summary)}"


def figures(extent: Extent) -> Iterator[Figure]:
    *_, floor = anyio.run(client_cost.costs, client_cost.CASES["watlow stdbus"] | PATIENT, client_cost.USUAL_PAUSE)
    for shape in LONG if extent.long else SHORT:
        for backend in ("asyncio", "trio") if extent.long and shape.rate_hz == 100 else ("asyncio",):
            took = sorted(cost(shape, backend) for _ in range(ROUNDS if shape.rate_hz == 100 else 1))
            middle = took[len(took) // 2]
            name = f"{shape.ports} ports with {shape.on_each} devices at {shape.rate_hz:g} Hz, {backend}"
            yield Figure(name, middle[0], "us CPU a sample, storing included", floor, "raw exchange", middle[1])


def described(summary: AcquisitionSummary) -> str:
    """Lateness of slots and time of a poll of four devices, over the ports."""
    sources = summary.sources.values()
    late, usual, longest = (
        max(quantiles.at(share) or 0.0 for quantiles in found) * 1e3
        for found, share in (
            ([source.start_delay for source in sources], 0.99),
            ([source.poll_time for source in sources], 0.5),
            ([source.poll_time for source in sources], 0.99),
        )
    )
    return f"late p99 {late:.1f} ms, poll p50 {usual:.1f} ms p99 {longest:.1f} ms"
