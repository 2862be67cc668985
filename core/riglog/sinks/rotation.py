"""Rotation: a recording in several files, one after the other, each of which can be read alone.

The run goes on: its identifier, the numbers and times of its slots, the identities of its instruments and its alarms
are in every file. The next file is opened before the present one is closed; if that fails, the present one goes on.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from riglog.errors import RiglogError, describe
from riglog.model import SYSTEM_CLOCK, Batch, Clock, Event, EventKind, Message, Run
from riglog.sinks.carried import ROWS_BEFORE, Carried
from riglog.sinks.disk import beside, real_path
from riglog.sinks.files import FileSink
from riglog.sinks.part_names import newest_part, next_part, parts
from riglog.sinks.sqlite.carried import carried_events
from riglog.sinks.sqlite.sink import SqliteSink


class Limit(Struct, frozen=True):
    """When a file is complete: at so many ``bytes``, or at every multiple of ``period_ns`` (UTC)."""

    bytes: int | None = None
    period_ns: int | None = None

    def is_reached(self, path: Path, began_ns: int, now_ns: int) -> bool:
        """Return whether a file that was begun at a time is complete now."""
        if self.bytes is not None and size(path) >= self.bytes:
            return True
        return self.period_ns is not None and began_ns // self.period_ns < now_ns // self.period_ns


class RotatingSink(FileSink):
    """Writes one file after the other: ``kiln.sqlite``, ``kiln.part0002.sqlite`` … A file that exists is continued.

    A file ends with the first flush after its limit was reached.
    """

    def __init__(self, make: Callable[[Path], FileSink], path: Path, limit: Limit, clock: Clock = SYSTEM_CLOCK) -> None:
        self._make = make
        self._first = path = real_path(path)
        self._limit = limit
        self._clock = clock
        self._present = make(newest_part(path))
        super().__init__(self._present.path, durability="flush" if self._present.durable else "system")
        self.name = self._present.name
        self._run: Run | None = None
        self._carried = Carried()
        self._began_ns = 0

    @property
    def present(self) -> FileSink:
        """The sink of the file that is written now."""
        return self._present

    @property
    def files(self) -> list[Path]:
        """The files of the recording, newest first; the one to be created if there is none."""
        return parts(self._first)[::-1] or [self._first]

    async def check(self) -> None:
        await self._present.check()

    async def open(self, run: Run) -> None:
        self._run = run
        self._began_ns = await self._in_thread(lambda: began_ns(self._present.path, self._clock.utc_ns()))
        await self._present.open(run)
        if isinstance(self._present, SqliteSink):
            await self._in_thread(self._recall)
            if self._carried.events and not await self._in_thread(lambda: carried_events(self._present.path, run.id)):
                await self._present.write((), self._carried.events)  # the file was begun, and the program was killed

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        await self._present.write(batches, events)
        self._carried.add(events)
        self.path = self._present.path
        self._take_warning(self._present)
        now_ns = max((batch.samples[-1].stamp.received_ns for batch in batches if batch.samples), default=0)
        if now_ns and await self._in_thread(lambda: self._limit.is_reached(self.path, self._began_ns, now_ns)):
            await self._begin_next(now_ns)

    async def incoming(self) -> Sequence[Message]:
        return await self._present.incoming()

    async def aclose(self) -> None:
        try:
            await self._present.aclose()
        finally:
            self._take_warning(self._present)
            self.newest_seal = self._present.newest_seal
            self.samples_deleted += self._present.samples_deleted

    async def _begin_next(self, now_ns: int) -> None:
        """Open the next file and close the present one. A failure costs nothing: the present one is continued."""
        assert self._run is not None
        before = self._present
        following = self._make(next_part(self._first))
        if isinstance(before, SqliteSink) and isinstance(following, SqliteSink):
            following.profile = before.profile  # which may be another one than that of the rig file
            following.wire_log = before.wire_log
            following.take_messages_for(before.path)
        try:
            await following.open(self._run)
        except (RiglogError, OSError) as error:
            self._cannot(error)
            return
        try:
            # a microsecond earlier: the central database tells the events of a run apart by number and time
            begun = _continued(now_ns - 1000, f"{ROWS_BEFORE}{before.path}")
            await following.write((), [*self._carried.events, begun])
        except Exception as error:
            self._cannot(error)
            await following.aclose()
            return
        self._present, self._began_ns, self.path = following, now_ns, following.path
        self.warning = None
        try:
            await before.write((), [_continued(now_ns, f"the next rows are in {following.path}")])
            await before.aclose()
        except (RiglogError, OSError) as error:  # its rows are stored
            self._warn(f"{before.path} was not closed in order: {describe(error)}")
        self._take_warning(before)
        self.samples_deleted += before.samples_deleted

    def _take_warning(self, sink: FileSink) -> None:
        if sink.warning is not None:
            self._warn(sink.warning, sink.warning_kind)

    def _cannot(self, error: Exception) -> None:
        self._warn(f"the next file cannot be begun, {self._present.path} is continued: {describe(error)}")

    def _recall(self) -> None:
        """Take over the events of an interrupted run, from the newest file that has them."""
        assert self._run is not None
        for path in reversed(parts(self._first)):
            if found := carried_events(path, self._run.id):
                self._carried = Carried(found)
                return


def _continued(at_ns: int, where: str) -> Event:
    return Event(at_ns, EventKind.RECORDING_CONTINUED, f"recording continued: {where}")


def size(path: Path) -> int:
    """Return the bytes of a file, with those that SQLite has beside it."""
    return sum(each.stat().st_size for each in files_of(path) if each.exists())


def files_of(path: Path) -> tuple[Path, Path]:
    """Return a file and the one that SQLite has beside it."""
    return path, beside(path, "-wal")


def began_ns(path: Path, now_ns: int) -> int:
    """Return to which time a file belongs that is continued: that of its last change; now for a new one."""
    changed = [each.stat().st_mtime_ns for each in files_of(path) if each.exists() and each.stat().st_size]
    return min(max(changed, default=now_ns), now_ns)
