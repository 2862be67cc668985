"""Slots that a recorder misses with kept bytes and seals, and without: 16 devices at 10 Hz on pseudo-terminals.

    python benchmarks/evidence_slots.py [SECONDS]     # default 60 for each mode

Real time. The instruments are simulated in a process of their own, each on its own pseudo-terminal. Both modes are
recorded twice, alternating. A slot is missed if the row of a channel is missing, or has no value. The processors must
be idle: other programs cost slots in both modes, and the rows have the reason ("the computer was busy").
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
from anyio import create_task_group

from riglog import read, record_rig
from riglog.plugin import installed
from riglog.simulation import FaultyWire, SimulatedBus
from riglog.simulation.serve import PtyServer
from riglog.sinks.sqlite import sink
from riglog.sinks.sqlite.run_file import RunFile

DEVICES = 16
RATE_HZ = 10
KINDS = (
    ("process_value", {"driver": "watlow", "protocol": "modbus-rtu"}),
    ("net", {"driver": "sartorius", "protocol": "xbpi"}),
)
Table = dict[str, object]


def tables(folder: Path) -> list[tuple[str, Table]]:
    """Return the parameter and the table of each device."""
    kinds = [KINDS[number % len(KINDS)] for number in range(DEVICES)]
    return [
        (parameter, {"name": f"device-{n}", "port": str(folder / f"port-{n}"), **keys})
        for n, (parameter, keys) in enumerate(kinds)
    ]


async def simulate(folder: Path) -> None:
    """Serve the instruments until standard input is closed."""
    drivers: Mapping[str, Any] = installed().drivers
    async with create_task_group() as tasks:
        for _, table in tables(folder):
            driver = drivers[str(table["driver"])]
            peer = FaultyWire(SimulatedBus([driver.simulator(driver.config(**table))]))
            server = PtyServer(peer, link=Path(str(table["port"])))
            server.plug()
            tasks.start_soon(server.run)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        tasks.cancel_scope.cancel()


def record(folder: Path, name: str, seconds: float, *, evidence: bool) -> str:
    """Record for so long, and return a line of figures."""
    path, rig = folder / f"{name}.sqlite", folder / f"{name}.toml"
    lines = ["[run]", f"rate_hz = {RATE_HZ}", "[[sink]]", 'type = "sqlite"', f'path = "{path}"']
    lines.append(f"keep_bytes = {str(evidence).lower()}")
    for parameter, table in tables(folder):
        lines += ["[[device]]", *(f'{key} = "{value}"' for key, value in table.items())]
        lines.append(f'parameters = ["{parameter}"]')
    rig.write_text("\n".join(lines) + "\n")
    began = time.process_time()
    with patch.object(sink, "RunFile", RunFile if evidence else partial(RunFile, sealed=False)):
        anyio.run(partial(record_rig, rig, duration=seconds))
    spent = time.process_time() - began
    rows = list(read(path))
    slots = round(seconds * RATE_HZ) * DEVICES
    statuses = Counter(row.status for row in rows)
    missed = slots - len({(row.device, row.tick) for row in rows if row.value is not None})
    return f"{name:22}{slots:8}{missed:8}{spent / len(rows) * 1e6:12.0f}{path.stat().st_size / len(rows):10.1f}   " + (
        ", ".join(f"{status} {count}" for status, count in sorted(statuses.items()))
    )


def main(seconds: float) -> None:
    """Print a line for each recording."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--simulate", name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as simulators:
            if simulators.stdout is None or simulators.stdout.readline() != b"ready\n":
                raise SystemExit("the simulators did not start")
            sys.stdout.write(f"{'':22}{'slots':>8}{'missed':>8}{'us a row':>12}{'bytes':>10}   rows\n")
            for turn in (1, 2):
                for mode, evidence in (("without", False), ("bytes and seals", True)):
                    sys.stdout.write(record(folder, f"{mode} {turn}", seconds, evidence=evidence) + "\n")
                    sys.stdout.flush()
            simulators.communicate(timeout=10)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--simulate"]:
        anyio.run(simulate, Path(sys.argv[2]))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
