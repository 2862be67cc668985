"""The trial of an instrument file: its simulated instrument is recorded in virtual time with every kind of fault.

Every value is compared with what the simulated instrument had at that time.
"""

from typing import Any, NamedTuple

import anyio

from riglog.manager import Manager, resolve_device
from riglog.model import NS, Sample
from riglog.plugin import installed
from riglog.simulation import Fault, FaultyWire, SimulatedTransport, TruthfulSimulator
from riglog.testing.virtual_time import LoopClock, virtual_backend

POLLS, EVERY = 60, 7
"""Polls with each fault; one reply in so many has it."""
UNDISTURBED = 30
"""Replies without a fault at the beginning, in which the device is opened."""
STEP = 0.7
"""Seconds from one poll to the next."""


class Tried(NamedTuple):
    """What the polls with one fault gave."""

    fault: str
    values: int
    missing: int
    wrong: int


def faults_of(has_checksum: bool) -> list[Fault | None]:
    """Return the faults to try. Without a checksum a wrong bit cannot be detected."""
    unseen = {Fault.UNPLUG} | (set() if has_checksum else {Fault.CORRUPT})
    return [None, *(fault for fault in Fault if fault not in unseen)]


def try_instrument(driver: str, instrument: str, **options: Any) -> list[Tried]:
    """Record the simulated instrument of a file with each fault.

    Raises:
        ExceptionGroup, ConfigError: the file has mistakes.
    """
    table = {"name": "tried", "driver": driver, "port": "sim:trial", "instrument": instrument, **options}
    backend, settings = virtual_backend("asyncio")
    protocol = resolve_device(installed(), table).protocol
    tried = []
    for fault in faults_of(protocol in ("modbus-rtu", "modbus-ascii")):
        tried.append(anyio.run(_polls, table, fault, backend=backend, backend_options=settings))
    return tried


async def _polls(table: dict[str, Any], fault: Fault | None) -> Tried:
    simulator = resolve_device(installed(), table).simulator()
    assert isinstance(simulator, TruthfulSimulator)
    script = [None] * UNDISTURBED + ([None] * (EVERY - 1) + [fault]) * POLLS * 4
    transport = SimulatedTransport(FaultyWire(simulator, script=script, seed=1))
    values = missing = wrong = 0
    async with Manager(clock=LoopClock()) as rig:
        await rig.add(table["name"], transport, **{key: table[key] for key in table if key not in ("name", "port")})
        (source,) = rig.sources([table["name"]])
        for _ in range(POLLS):
            for sample in await source.poll():
                values += sample.value is not None
                missing += sample.value is None
                wrong += not is_true(simulator, sample)
            await anyio.sleep(STEP)
    return Tried(fault.value if fault else "none", values, missing, wrong)


def is_true(simulator: TruthfulSimulator, sample: Sample) -> bool:
    """Return whether the instrument had a value at any time between its request and its reply."""
    if not isinstance(sample.value, float | int):
        return True
    half = (sample.stamp.latency_ns or 0) / NS / 2
    middle = sample.stamp.monotonic_ns / NS
    truths = simulator.truths(sample.channel, middle - half, middle + half)
    return any(truth.holds(float(sample.value), sample.unit) for truth in truths)
