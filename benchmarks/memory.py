"""Memory of a recording of 16 devices on 4 ports into SQLite, and whether it grows while it records. Linux only."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import anyio
from figure import Extent, Figure
from measuring import instrument, resident
from ports import tables

PORTS, ON_EACH, RATE_HZ = 4, 4, 50.0
SETTLED_SECONDS = 2.0
LIBRARIES = ("asyncio", "msgspec", "pluggy", "serial", "sqlite3", "importlib.metadata", "riglog_watlow.driver")


def figures(extent: Extent) -> Iterator[Figure]:
    if sys.platform != "linux":
        return
    seconds = 60.0 if extent.long else 4.0
    program = [sys.executable, __file__]
    with ExitStack() as stack:
        ports = [stack.enter_context(instrument(*tables(number, ON_EACH), pinned=False)) for number in range(PORTS)]
        early, late = map(float, subprocess.check_output([*program, str(seconds), *ports], text=True).split())
    bare = float(subprocess.check_output(program, text=True))
    yield Figure("memory of a recording of 16 devices", late, "MB resident", bare, "Python with the same imports")
    yield Figure(f"memory after {seconds:g} s of recording", late, "MB resident", early, f"after {SETTLED_SECONDS:g} s")


async def recorded(seconds: float, ports: list[str]) -> None:
    """Record, and print the resident memory early and late."""
    from riglog import Manager, SqliteSink, new_run, pipe, record

    async def watch() -> None:
        await anyio.sleep(SETTLED_SECONDS)
        print(resident(), flush=True)  # noqa: T201
        await anyio.sleep(seconds - SETTLED_SECONDS - 0.5)
        print(resident(), flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory() as folder:
        async with Manager() as rig:
            for number, port in enumerate(ports):
                for table in tables(number, ON_EACH):
                    options = dict(table)
                    await rig.add(options.pop("name"), port, **options)
            async with anyio.create_task_group() as tasks, record(rig, rate_hz=RATE_HZ, duration=seconds) as recording:
                tasks.start_soon(watch)
                await pipe(recording, SqliteSink(Path(folder) / "memory.sqlite"), run=new_run("memory"))


if __name__ == "__main__":
    if sys.argv[1:]:
        anyio.run(recorded, float(sys.argv[1]), sys.argv[2:])
    else:
        for library in LIBRARIES:
            import_module(library)
        print(resident())  # noqa: T201
