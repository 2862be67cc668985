"""Transactions of all protocols on lines with faults: do the kept bytes give the rows that were recorded?

    python benchmarks/redecode_faults.py [TRANSACTIONS]     # default 1,000,000, over all protocols

Recorded in virtual time, with replies that are late, lost, cut off, damaged, repeated, behind foreign bytes, or of
another instrument. Then `redecode` decodes the bytes, and compares all rows. Exit code 1: some are different.
"""

import functools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from simulated_rigs import PROTOCOLS

from riglog.config import load_rig
from riglog.manager.simulated_port import SimulatedPort
from riglog.recordings.inventory import contents
from riglog.rig import record_rig
from riglog.rig.redecoding import Redecoded, redecode
from riglog.rig.replaying import read_replay
from riglog.simulation import Fault
from riglog.testing import LoopClock, virtual_backend

TRANSACTIONS = 1_000_000
RATES = {
    Fault.LATE: 0.01,
    Fault.DROP: 0.01,
    Fault.TRUNCATE: 0.01,
    Fault.CORRUPT: 0.01,
    Fault.GLUE: 0.01,
    Fault.GARBAGE: 0.01,
    Fault.FOREIGN: 0.01,
}
TRIED = [protocol for protocol in PROTOCOLS if protocol != "sartorius autoprint"]
RIG = '[run]\nrate_hz = 2\n[[sink]]\ntype = "sqlite"\npath = "{path}"\n[[device]]\nname = "device"\nport = "sim:line"\n'
POLL_SECONDS = 600


def virtual(call: Any, *arguments: Any, **named: Any) -> Any:
    name, options = virtual_backend("asyncio")
    return anyio.run(functools.partial(call, **named), *arguments, backend=name, backend_options=options)


async def record(rig: Path, seconds: float) -> None:
    connect = SimulatedPort.connect

    def faulty(port: SimulatedPort, *arguments: Any) -> None:
        connect(port, *arguments)
        port._wire.set_rates(RATES)
        port._wire._random.seed(seconds)

    SimulatedPort.connect = faulty  # type: ignore[method-assign]
    try:
        await record_rig(load_rig(rig), duration=seconds, wait=True, clock=LoopClock())
    finally:
        SimulatedPort.connect = connect  # type: ignore[method-assign]


def tried(protocol: str, transactions: int, folder: Path) -> tuple[int, Redecoded, int]:
    """Return transactions, what `redecode` has found, and rows, of recordings until there are enough transactions."""
    count = rows = number = 0
    total = Redecoded(differences=[], problems=[])
    while count < transactions:
        number += 1
        path, rig = folder / f"{number}.sqlite", folder / "rig.toml"
        rig.write_text(RIG.format(path=path) + PROTOCOLS[protocol])
        virtual(record, rig, float(POLL_SECONDS + number))
        try:
            ports = read_replay(path).ports.values()
        except Exception:
            continue
        count += sum(port.recorded + port.broadcasts_left for port in ports)
        rows += contents(path).rows
        found = virtual(redecode, path)
        for name in ("rows", "different", "unproven", "not_decoded"):
            setattr(total, name, getattr(total, name) + getattr(found, name))
        total.differences += found.differences
        total.problems += found.problems
        path.unlink()
    return count, total, rows


def main(transactions: int) -> int:
    """Print a line for each protocol."""
    code = 0
    sys.stdout.write(f"{'':24}{'transactions':>14}{'rows':>10}{'compared':>10}{'different':>11}{'unproven':>10}\n")
    for protocol in TRIED:
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            count, found, rows = tried(protocol, transactions // len(TRIED), Path(folder))
        compared = found.rows - found.not_decoded
        line = f"{protocol:24}{count:14,}{rows:10,}{compared:10,}{found.different:11,}{found.unproven:10,}"
        sys.stdout.write(f"{line}   {time.process_time() - began:.0f} s\n")
        for each in [*map(str, found.differences[:5]), *found.problems[:5]]:
            sys.stdout.write(f"    {each}\n")
        sys.stdout.flush()
        code = code or int(bool(found.different or found.problems))
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else TRANSACTIONS))
