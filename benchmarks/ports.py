"""16 devices on 4 ports at 100 Hz, recorded into SQLite: slots missed, lateness, and what it costs.

Each port is a pseudo-terminal with four instruments behind it, in a process of its own. The gaps between requests are
kept, as on a real line; characters take no time.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
from measuring import instrument

from riglog import Manager, SqliteSink, new_run, pipe, record
from riglog.acquire import AcquisitionSummary

PORTS, ON_EACH, RATE_HZ, SECONDS = 4, 4, 100.0, 10.0
Table = dict[str, Any]


def tables(port: int) -> Iterator[Table]:
    """The devices on one port."""
    for address in range(1, ON_EACH + 1):
        name = f"oven{port}-{address}"
        yield {"name": name, "driver": "watlow", "protocol": "stdbus", "address": address, "parameters": ["setpoint"]}


async def recorded(ports: dict[str, list[Table]], path: Path) -> tuple[AcquisitionSummary, float]:
    """What the recording did, and the CPU seconds it took."""
    async with Manager() as rig:
        for port, devices in ports.items():
            for table in devices:
                options = dict(table)
                await rig.add(options.pop("name"), port, **options)
        run = new_run("ports")  # before the first slot: it looks at every installed distribution
        begun = time.process_time()
        async with record(rig, rate_hz=RATE_HZ, duration=SECONDS) as recording:
            await pipe(recording, SqliteSink(path), run=run)
        return recording.summary, time.process_time() - begun


def main() -> None:
    for backend in ("asyncio", "trio"):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            ports = {}
            for number in range(PORTS):
                devices = list(tables(number))
                ports[stack.enter_context(instrument(*devices, pinned=False))] = devices
            summary, cpu = anyio.run(recorded, ports, Path(folder) / "ports.sqlite", backend=backend)
        print(  # noqa: T201
            f"{backend:8} {summary.slots_polled} slots served, {summary.slots_skipped} missed; "
            f"{described(summary)}, {cpu / summary.samples * 1e6:.0f} us CPU per sample"
        )


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


if __name__ == "__main__":
    main()
