"""What seals and kept bytes cost a recording in SQLite: bytes in the file and CPU of a row, on and off in one run.

    python benchmarks/evidence_cost.py [ROWS]     # default 100,000 rows for each line

Flushes of one second, without syncs. A transaction has a request of 8 bytes and a reply with 4 bytes for each channel,
whose times and values have the digits that real ones have. CPU is the least of three rounds, alternating.
"""

import random
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import pin

from riglog.model import NS, Batch, Channel, Run, Sample, Stamp, new_run
from riglog.protocol.checksums import crc16
from riglog.protocol.wire_log import KeptTransaction, WireLog
from riglog.sinks.sqlite.run_file import RunFile

ROWS = 100_000
ROUNDS = 3
CASES = (("ten channels in a transaction, 10 Hz", 10, 10), ("one channel in a transaction, 100 Hz", 1, 100))
MODES = (("off", False, False), ("seals", True, False), ("seals and bytes", True, True))
Flush = tuple[list[Batch], list[KeptTransaction]]


def flushes(run: Run, channels: int, rate_hz: int, rows: int) -> Iterator[Flush]:
    """One second after the other: batches, and the transactions of which they came."""
    draw = random.Random(18)
    named = [
        Channel(device="oven", driver="d", protocol="x", address=1, parameter=f"p{n}", unit="degC")
        for n in range(channels)
    ]
    values = [20.0 + n for n in range(channels)]
    for second in range(rows // (channels * rate_hz)):
        batches, transactions = [], []
        for tick in range(second * rate_hz, (second + 1) * rate_hz):
            values = [round(value + draw.gauss(0, 0.02), 3) for value in values]
            latency = 8_000_000 + round(draw.gauss(0, 400_000))
            received = run.started_ns + tick * NS // rate_hz + latency + abs(round(draw.gauss(0, 300_000)))
            stamp = Stamp(received, latency, run.anchor_ns + received - run.started_ns - latency // 2)
            body = bytes([1, 3, 4 * channels]) + b"".join(struct.pack(">f", value) for value in values)
            reply = body + crc16(body).to_bytes(2, "little")
            request = bytes([1, 3, 0, 0x68, 0, 2 * channels, 0x45, 0xD7])
            transactions.append(KeptTransaction(received, latency, request, reply))
            samples = [
                Sample(channel=channel, stamp=stamp, value=value, unit="degC")
                for channel, value in zip(named, values, strict=True)
            ]
            batches.append(Batch("port", tick, samples))
        yield batches, transactions


def measure(channels: int, rate_hz: int, rows: int, *, sealed: bool, bytes_kept: bool) -> tuple[float, float]:
    """Return microseconds of CPU and bytes of a row."""
    run = new_run("cost", rate_hz=float(rate_hz))
    made = list(flushes(run, channels, rate_hz, rows))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cost.sqlite"
        file = RunFile(path, run, durable=False, profile="desk", sealed=sealed)
        log = WireLog() if bytes_kept else None
        keep = None if log is None else log.keep_of("/dev/ttyUSB0")
        began = time.process_time()
        for batches, transactions in made:
            if keep is not None:
                for transaction in transactions:
                    keep(transaction)
            file.write(batches, [], log)
        file.close()
        spent = time.process_time() - began
        return spent / rows * 1e6, path.stat().st_size / rows


def show(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(rows: int) -> None:
    """Print a line for each case and mode."""
    pin()
    show(f"{'':44}{'us a row':>10}{'more':>8}{'bytes a row':>13}{'more':>8}")
    for name, channels, rate_hz in CASES:
        found: dict[str, tuple[float, float]] = {}
        for _ in range(ROUNDS):
            for mode, sealed, bytes_kept in MODES:
                spent, size = measure(channels, rate_hz, rows, sealed=sealed, bytes_kept=bytes_kept)
                found[mode] = min(spent, found.get(mode, (spent, size))[0]), size
        base = found["off"]
        show(name)
        for mode, (spent, size) in found.items():
            show(f"    {mode:40}{spent:10.2f}{spent - base[0]:8.2f}{size:13.2f}{size - base[1]:8.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
