"""``riglog watch``: a recording on the screen while it grows, from any terminal."""

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from riglog.cli import operator
from riglog.cli.console import format_age, results, row_channel
from riglog.cli.keys import Keys, keys
from riglog.cli.live_table import AlarmLine, ChannelLine, LiveView, has_blocks, render, room_for_channels
from riglog.cli.local_time import format_local, local
from riglog.cli.sizes import format_bytes, free_bytes
from riglog.recordings import Contents, acknowledge_alarm, read_alarms, write_note
from riglog.recordings.freshness import old_after
from riglog.recordings.inventory import GrowingContents
from riglog.recordings.local_times import offset_text
from riglog.sinks.formats import format_of
from riglog.sinks.part_names import newest_part
from riglog.sinks.rows import EventRow, Row
from riglog.sinks.sqlite.reader import SQLITE_FORMAT, newest_events

REFRESH_SECONDS = 0.5
TREND_VALUES = 120
EVENTS = 8
FILE_WIDTH = 140
"""Columns in a file or a pipe."""
QUIT = ("q", "Q", "escape")
HELP = f"q: quit   arrows, page keys: scroll   {operator.HELP}"
Series = tuple[str, str, int]


@click.command("watch", short_help="Show a recording on the screen while it grows.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--once", is_flag=True, help="Print one screen and exit.")
def command(file: str, once: bool) -> None:
    """Show the newest value of every channel of the recording FILE, and the newest events.

    The first file of a rotation stands for the newest one. Reading does not disturb the recorder. In a pipe one
    screen is printed. Times are local.
    """
    screen = RecordingScreen(Path(file))
    console = results()
    if once or not console.is_terminal:
        width = min(console.width, FILE_WIDTH)
        console.print(render(screen.view(footer=False), width, None, ascii_only=not has_blocks()))
        return
    from rich.live import Live

    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            view = screen.view()
            live.update(render(view, console.width, console.height, ascii_only=not has_blocks()), refresh=True)
            for key in _keys_until(pressed, REFRESH_SECONDS):
                if screen.operator.key(key):
                    continue
                if key in QUIT:
                    return
                screen.scroll(_lines(key, console.height), console.height)


class RecordingScreen:
    """What is shown of a file: read again for each view."""

    def __init__(self, path: Path) -> None:
        self.path = newest_part(path)
        self.first = 0
        self._first_part = path
        self._contents = GrowingContents(self.path)
        self.operator = operator.Operator(self._write_note, self._acknowledge)
        self._trends: dict[Series, deque[float | None]] = {}
        self._received: dict[Series, str] = {}
        self._intervals: dict[Series, float] = {}
        self._sizes: deque[tuple[float, int]] = deque(maxlen=240)

    def view(self, *, footer: bool = True) -> LiveView:
        """Return the screen as it is now.

        Raises:
            RiglogError: the file cannot be read.
        """
        self._go_on_with(newest_part(self._first_part))
        found = self._contents.read()
        now = datetime.now(UTC)
        events = newest_events(self.path, EVENTS)
        finished = bool(found.runs) and found.runs[-1].finished_at is not None
        return LiveView(
            facts=[self._title(found, finished), self._disk(found)],
            lines=[self._line(row, now, finished) for row in found.latest],
            events=[_event_text(event) for event in events],
            first=min(self.first, max(0, len(found.latest) - 1)),
            alarms=self._alarms(),
            footer=(self.operator.line or HELP) if footer else "",
        )

    def scroll(self, lines: int, height: int) -> None:
        """Move the channels that are shown."""
        if not lines:
            return
        view = self.view()
        last = max(0, len(view.lines) - room_for_channels(view, height))
        self.first = min(max(0, self.first + lines), last)

    def _go_on_with(self, path: Path) -> None:
        """Show this file from now on: the next one of a rotation."""
        if path != self.path:
            self.path, self._contents = path, GrowingContents(path)
            self._sizes.clear()

    def _alarms(self) -> list[AlarmLine]:
        return [
            AlarmLine(alarm.name, alarm.channel, alarm.state == "raised", alarm.acknowledged, alarm.text or "")
            for alarm in (read_alarms(self.path) if self._is_sqlite else ())
            if alarm.is_open
        ]

    @property
    def _is_sqlite(self) -> bool:
        return format_of(self.path) is SQLITE_FORMAT

    def _write_note(self, text: str) -> None:
        write_note(self.path, text, program="riglog watch", timeout=0)

    def _acknowledge(self) -> int:
        names = {alarm.name for alarm in self._alarms() if not alarm.acknowledged}
        for name in sorted(names):
            acknowledge_alarm(self.path, name, program="riglog watch", timeout=0)
        return len(names)

    def _title(self, found: Contents, finished: bool) -> str:
        if not found.runs:
            return f"{self.path.name}: no run"
        run = found.runs[-1]
        state = f"ended {format_local(run.finished_at)}" if finished else f"recording since {_short(run.started_at)}"
        rate = "" if run.rate_hz is None else f", {run.rate_hz:g} Hz"
        return f"{self.path.name}  run {run.name}: {state}{rate}"

    def _disk(self, found: Contents) -> str:
        self._sizes.append((time.monotonic(), found.bytes))
        (start, before), (end, size) = self._sizes[0], self._sizes[-1]
        facts = [f"{found.rows:,} rows".replace(",", " "), format_bytes(size)]
        free = free_bytes(self.path)
        if free is not None:
            facts.append(f"{format_bytes(free)} free")
            growth = (size - before) / (end - start) if end > start else 0
            if growth > 0:
                facts.append(f"disk full in about {format_age(free / growth)}")
        return ", ".join(facts)

    def _line(self, row: Row, now: datetime, finished: bool) -> ChannelLine:
        series = (row.device, row.parameter, row.instance)
        received = self._received.get(series)
        if received != row.received_at:
            self._received[series] = row.received_at
            self._trends.setdefault(series, deque(maxlen=TREND_VALUES)).append(row.value)
            if received is not None:
                self._intervals[series] = (local(row.received_at) - local(received)).total_seconds()
        age = max(0.0, (now - local(row.received_at)).total_seconds())
        limit = old_after(self._intervals.get(series, 0.0))
        return ChannelLine(
            device=row.device,
            channel=row_channel(row),
            value=row.value,
            text=row.text,
            unit=row.unit,
            status=row.status,
            error=row.error,
            age=age,
            old=not finished and age > limit,
            trend=self._trends[series],
        )


def _short(at: str) -> str:
    """Return a local time, with its date unless that is today."""
    moment = local(at)
    today = moment.date() == datetime.now(moment.tzinfo).date()
    return f"{moment:%H:%M:%S} {offset_text(moment)}" if today else format_local(at)


def _event_text(event: EventRow) -> str:
    where = " ".join(name for name in (event.port, event.device) if name)
    return f"{format_local(event.at)[11:19]}  {event.kind}  {f'{where}: ' if where else ''}{event.message}"


def _keys_until(pressed: Keys, seconds: float) -> Iterator[str]:
    """Yield keys as they come, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield from pressed.pressed()
        time.sleep(0.05)


def _lines(key: str, height: int) -> int:
    """Return by how many channels a key scrolls."""
    page = max(1, height // 2)
    return {
        "up": -1,
        "k": -1,
        "down": 1,
        "j": 1,
        " ": page,
        "page up": -page,
        "page down": page,
        "home": -(10**6),
        "end": 10**6,
    }.get(key, 0)
