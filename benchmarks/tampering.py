"""Sealed recordings that are changed, killed and cut: each change is found, in its block; the rest is proven.

python benchmarks/tampering.py                          # 10 000 changes, 300 kills, 2000 images of a power failure
python benchmarks/tampering.py --changes 500 --seed 7   # as many changes, and other ones
python benchmarks/tampering.py --seed 7 --only 41       # one change of this seed again

riglog and ``examples/verify_seals.py`` verify each file, and must agree.
"""
# ruff: noqa: T201

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from recorded import EVENTS, make_run, steady
from tampering import PRESSURES, Cuts, check_many, check_survivor, example, traced_recording

from riglog.sinks import SqliteSink
from riglog.sinks.sqlite.blocks import Profile

PROFILES: tuple[Profile, ...] = ("desk", "card")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=300, help="recorders that are killed with kill -9")
    parser.add_argument("--images", type=int, default=2000, help="images of a power failure")
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--only", type=int, help="only the change of this number")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = Counter[str]()
        for n, profile in enumerate(PROFILES):
            path = folder / f"{profile}.sqlite"
            blocks = anyio.run(partial(traced_recording, path, profile=profile))
            numbers = range(n, options.changes, 2) if options.only is None else range(options.only, options.only + 1)
            changes += check_many(path, blocks, options.seed, numbers)
        print(f"changes, each found by both: {dict(changes)}")
        if options.only is not None:
            return 0
        other = example()
        acknowledged, stored = kills(folder, options.seed, options.kills, other)
        print(f"{options.kills} recorders killed: {acknowledged} flushes acknowledged, {stored} proven by both")
        cuts = Counter[str]()
        for profile in PROFILES:
            cut = Cuts(folder, profile)
            anyio.run(cut.record)
            cuts += Counter(cut.check(options.seed, number, other) for number in range(options.images // 2))
        print(f"images of a power failure, each proven up to its last flush: {dict(cuts)}")
    print(f"{time.monotonic() - began:.0f} s, seed {options.seed}")
    return 0


def kills(folder: Path, seed: int, count: int, other: ModuleType) -> tuple[int, int]:
    """Kill recorders, and return how many of their flushes were acknowledged, and how many are proven."""
    acknowledged = stored = 0
    for number in range(count):
        dice = random.Random(f"{seed}:{number}")
        path = folder / f"killed{number}.sqlite"
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            record_for_ever(path, PROFILES[number % 2], writing)
        os.close(writing)
        with closing(os.fdopen(reading, "rb")) as lines:
            first = lines.read(1)  # it records
            time.sleep(dice.random() * 0.3)
            os.kill(child, signal.SIGKILL)
            told = len(first + lines.read())
        os.waitpid(child, 0)
        found = check_survivor(path, told, f"seed {seed}, kill {number}", other)
        acknowledged += told
        stored += found.blocks
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    return acknowledged, stored


def record_for_ever(path: Path, profile: Profile, told: int) -> NoReturn:
    """Record, and write a byte after each flush, until the process is killed."""

    async def record() -> None:
        run = make_run()
        sink = SqliteSink(path, profile=profile)
        await sink.open(run)
        for at in range(100_000):
            await sink.write(list(steady(run, PRESSURES, 3, first=3 * at)), EVENTS if not at else ())
            os.write(told, b".")

    try:
        anyio.run(record)
    finally:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
