"""Reading a large recording while it is being recorded: is a slot late, how far does the write-ahead log grow?

    python benchmarks/readers.py [ROWS] [SECONDS] [desk|card]     # default: 1e6 rows, 6 s for each reader

A recording of so many rows is made in bulk, and 16 devices that cost nothing to read go on with it at 10 Hz, in a
process of their own, with one sync per flush. Beside it, one reader after the other works on the file again and again:
without an end for readers that are fast, once for those that read all rows. The floor is the same recording that nobody
reads.
"""

# ruff: noqa: T201

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from bulk import build_in_bulk
from figure import Extent, Figure

from riglog.acquire import open_sinks, record, store
from riglog.cli.commands.watch import RecordingScreen
from riglog.device import Pace
from riglog.model import Channel, Event, Sample, Stamp, new_run
from riglog.recordings import AbsenceFinder, contents, newest_rows, read, read_events
from riglog.recordings.stored_gaps import find_gaps
from riglog.sinks import SqliteSink
from riglog.sinks.postgres.forward_queue import ForwardQueue
from riglog.sinks.postgres.unsent import Cursor
from riglog.sinks.sqlite.blocks import Profile

DEVICES, RATE_HZ = 16, 10.0
Reader = Callable[[Path], Iterator[object]]
"""Works on a recording; yields so often that it can be stopped."""


class Device:
    """A source whose sample is there at once."""

    pace = Pace.HOST
    rate_hz = None

    def __init__(self, number: int) -> None:
        self.name = f"oven{number}"
        self.channels = [
            Channel(device=self.name, driver="d", protocol="x", address=number, parameter="p", unit="degC")
        ]

    async def poll(self) -> list[Sample]:
        stamp = Stamp(time.time_ns(), 3_000_000, time.monotonic_ns())
        return [Sample(channel=self.channels[0], stamp=stamp, value=time.monotonic() % 7, unit="degC")]


class Rig:
    """All of them, each on a port of its own."""

    closed = False

    def __init__(self) -> None:
        self._devices = [Device(number) for number in range(DEVICES)]

    def sources(self, names: Sequence[str] | None = None) -> list[Device]:
        return self._devices

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        return lambda: None

    async def changed(self) -> None:
        await anyio.sleep_forever()


async def go_on(path: Path, seconds: float, profile: Profile) -> dict[str, float]:
    """Record into a file; return what of it was late, and the largest size of its write-ahead log in MB."""
    log, largest = path.with_name(path.name + "-wal"), 0

    async def watch() -> None:
        nonlocal largest
        while True:
            with suppress(FileNotFoundError):
                largest = max(largest, log.stat().st_size)
            await anyio.sleep(0.05)

    async with (
        open_sinks(SqliteSink(path, profile=profile), run=new_run("growing")) as sinks,  # as ``riglog record``
        anyio.create_task_group() as tasks,
        record(Rig(), rate_hz=RATE_HZ, duration=seconds) as recording,
    ):
        tasks.start_soon(watch)
        await store(recording, sinks)
        tasks.cancel_scope.cancel()
    summary = recording.summary
    late = max(source.start_delay.at(1.0) or 0.0 for source in summary.sources.values())
    return {"skipped": summary.slots_skipped, "late": late, "log": largest / 1e6, "rows": summary.samples}


def all_rows(path: Path) -> Iterator[object]:
    yield from read(path)


def again(work: Callable[[Path], object]) -> Reader:
    """Return a reader that does something again and again, as often as a screen does."""

    def reader(path: Path) -> Iterator[object]:
        while True:
            yield work(path)
            time.sleep(0.2)

    return reader


def watch_screen(path: Path) -> Iterator[object]:
    screen = RecordingScreen(path)
    while True:
        yield screen.view()
        time.sleep(0.2)


def forward(path: Path) -> Iterator[object]:
    """What a forwarder reads, without the database."""
    queue, cursor = ForwardQueue(path), Cursor()
    while True:
        page = queue.next(cursor)
        yield page
        cursor = page.cursor if page is not None else cursor


READERS: dict[str, Reader] = {
    "nobody": again(lambda path: None),
    "overview": again(lambda path: read(path).overview()),
    "info, tail": again(lambda path: (contents(path), newest_rows(path, 20))),
    "watch": watch_screen,
    "events": again(lambda path: list(read_events(path))),
    "read": all_rows,
    "gaps": again(lambda path: find_gaps([path], AbsenceFinder(read_events(path)))),
    "forward": forward,
}
"""``riglog export`` reads as ``read`` does, and writes what it has read."""


def beside(path: Path, reader: Reader, seconds: float, profile: Profile) -> dict[str, float]:
    """Record for so many seconds while a reader works on the file."""
    command = [sys.executable, __file__, "--record", str(path), str(seconds), profile]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdout is not None
        end, steps = time.monotonic() + seconds + 1.0, 0
        began = time.process_time()
        while time.monotonic() < end and recorder.poll() is None:
            for _ in reader(path):
                steps += 1
                if time.monotonic() > end or recorder.poll() is not None:
                    break
        found: dict[str, float] = json.loads(recorder.stdout.read())
    return found | {"steps": steps, "cpu": time.process_time() - began}


def figures(extent: Extent) -> Iterator[Figure]:
    if not extent.long:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "growing.sqlite"
        build_in_bulk(path, extent.rows)
        found = {name: beside(path, reader, 6.0, "desk") for name, reader in READERS.items()}
    for name, each in found.items():
        if name != "nobody":
            note = f"{each['skipped']:.0f} slots skipped, log {each['log']:.1f} MB"
            floor = max(found["nobody"]["late"], 0.001)
            yield Figure(f"latest slot while {name} reads", each["late"] * 1e3, "ms", floor * 1e3, "no reader", note)


def main() -> None:
    if sys.argv[1:2] == ["--record"]:
        print(json.dumps(anyio.run(go_on, Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4])))
        return
    arguments = [*sys.argv[1:], *("1e6", "6", "desk")[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        path = Path(arguments[0]) if Path(arguments[0]).exists() else Path(folder) / "growing.sqlite"
        if not path.exists():
            build_in_bulk(path, int(float(arguments[0])), arguments[2])  # type: ignore[arg-type]
        for name, reader in READERS.items():
            each = beside(path, reader, float(arguments[1]), arguments[2])  # type: ignore[arg-type]
            print(
                f"{name:12} {each['skipped']:3.0f} slots skipped, latest {each['late'] * 1e3:6.1f} ms late,"
                f" log at most {each['log']:5.1f} MB, {each['rows']:.0f} rows recorded;"
                f" reader: {each['steps']:.0f} steps, {each['cpu']:.1f} s CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
