"""What a poll costs beside the raw exchange of the same bytes: write, wait, read on the same pseudo-terminal."""

from collections.abc import Iterator

import anyio
import client_cost
from figure import Extent, Figure
from measuring import pin

PATIENT = {"timeout": 10.0}  # a busy machine may keep the far end waiting
BACKENDS = {False: ("asyncio",), True: ("asyncio", "trio")}
LEVELS = {
    "sartorius xbpi": 0.8,
    "sartorius sbi": 0.8,
    "servomex broadcast": 1 / 80,
    "servomex modbus-rtu": 0.6,
}
"""CPU of riglog as a part of what the best library of that vendor alone needs for the same, on an independent bench."""
AHEAD = {"sartorius xbpi": 3.4, "sartorius sbi": 2.9, "servomex broadcast": 5.5}
"""The ratios to the floor when that was measured."""


def figures(extent: Extent) -> Iterator[Figure]:
    pin()
    client_cost.CALLS = 500 if extent.long else 150
    for name, table in client_cost.CASES.items():
        for backend in BACKENDS[extent.long]:
            pause = client_cost.PAUSES.get(name, client_cost.USUAL_PAUSE)
            poll, *_, raw = anyio.run(client_cost.costs, table | PATIENT, pause, backend=backend)
            level = AHEAD[name] / LEVELS[name] if name in AHEAD else None
            yield Figure(f"{name.strip()}, {backend}", poll, "us CPU a poll", raw, "raw write and read", level=level)
