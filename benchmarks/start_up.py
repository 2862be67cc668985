"""CPU to start: what a program imports, and the commands that open nothing, over bare Python; elapsed time beside it.

Byte code is kept in a folder of its own, so that the figures do not depend on what was started before.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from resource import RUSAGE_CHILDREN, getrusage

from figure import Extent, Figure, in_turns

ROUNDS = 9
BARE: Sequence[str] = ("-c", "pass")
RECORDER = "from riglog import Manager, SqliteSink, new_run, pipe, record; import riglog_watlow.driver"
FIRST_SLOT = f"""
import anyio, sys
{RECORDER}
async def main():
    async with Manager() as rig:
        await rig.add("oven", "sim:bus", driver="watlow", address=1)
        run = new_run("first")
        async with record(rig, rate_hz=100) as active_run:
            async for batch in active_run.stream:
                break
anyio.run(main)
"""
CASES: dict[str, tuple[Sequence[str], Sequence[str], str]] = {
    "import riglog": (
        ("-c", "import riglog"),
        ("-c", "import typing, importlib.util"),
        "import typing, importlib.util",
    ),
    "import of what records one controller": (
        ("-c", RECORDER),
        ("-c", "import msgspec, anyio.lowlevel"),
        "msgspec, anyio",
    ),
    "until the first row of one controller": (
        ("-c", FIRST_SLOT),
        ("-c", "import asyncio, anyio, msgspec, importlib.metadata, sqlite3; anyio.run(anyio.sleep, 0)"),
        "asyncio, anyio, msgspec, importlib.metadata, sqlite3",
    ),
    "riglog --version": (
        ("-m", "riglog", "--version"),
        ("-c", "import importlib.metadata"),
        "import importlib.metadata",
    ),
    "riglog --help": (
        ("-m", "riglog", "--help"),
        ("-c", "import click, pluggy, msgspec, importlib.metadata"),
        "click, pluggy, msgspec, importlib.metadata",
    ),
}


def figures(extent: Extent) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as cache:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache

        def cpu(arguments: Sequence[str]) -> float:
            """Milliseconds of CPU of one process."""
            before = getrusage(RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env=environment)
            after = getrusage(RUSAGE_CHILDREN)
            return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3

        for name, (arguments, floor, floor_name) in CASES.items():
            cpu(arguments)  # writes the byte code
            began = time.perf_counter()
            cpu(arguments)
            elapsed = (time.perf_counter() - began) * 1e3
            took, least, bare = in_turns([lambda a=a: cpu(a) for a in (arguments, floor, BARE)], ROUNDS)
            note = f"bare Python {bare:.0f} ms; elapsed {elapsed:.0f} ms"
            yield Figure(name, took - bare, "ms CPU over bare Python", max(least - bare, 0.1), floor_name, note)
