"""The progress display of a recording: elapsed time, number of rows, and a table of all channels."""

from collections import deque
from collections.abc import Mapping

import anyio
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from riglog.acquire import AcquisitionSummary, ActiveRun, ChannelSummary
from riglog.cli.console import channel_name, messages
from riglog.cli.freshness import Freshness, age_of
from riglog.cli.keys import keys
from riglog.cli.live_table import TREND_WIDTH, AlarmLine, ChannelLine, LiveView, has_blocks, render
from riglog.cli.operator import HELP, Operator
from riglog.cli.screen import STDERR, in_foreground
from riglog.errors import ConfigError
from riglog.model import NS, SYSTEM_CLOCK, Channel, Event, EventKind, Value

REFRESH_SECONDS = 0.2


class WaitingFor:
    """The devices that are absent, from the events of the recording."""

    def __init__(self) -> None:
        self._devices: dict[str, None] = {}

    def add_event(self, event: Event) -> None:
        """Take note of an event."""
        if event.kind is EventKind.DEVICE_ABSENT and event.device is not None:
            self._devices[event.device] = None
        elif event.kind is EventKind.DEVICE_PRESENT:
            self._devices.pop(event.device or "", None)

    @property
    def text(self) -> str:
        """A line for the screen; empty if no device is absent."""
        return f"waiting for {', '.join(self._devices)}" if self._devices else ""


async def show_progress(
    recording: ActiveRun,
    duration: float | None,
    periods: Mapping[str, float],
    waiting_for: WaitingFor,
    *,
    stores_notes: bool = True,
) -> None:
    """Show the progress on a terminal until cancelled; then the display is removed.

    A recording in the background of a shell shows none: it would be drawn over what other programs print.
    """
    console = messages()
    if not console.is_terminal or not in_foreground():
        return
    screen = Screen(Freshness(periods, recording.summary.anchor_ns))
    progress = Progress(
        TextColumn("[bold]recording"),
        *([BarColumn(bar_width=20)] if duration else []),
        TimeElapsedColumn(),
        *([TimeRemainingColumn(), TextColumn("remaining")] if duration else []),
        TextColumn("{task.fields[rows]}"),
        console=console,
    )
    bar = progress.add_task("", total=duration, rows="")
    operator = operator_of(recording, stores_notes=stores_notes)
    with keys() as pressed, Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            for key in pressed.pressed():
                operator.key(key)
            now = SYSTEM_CLOCK.monotonic_ns()
            elapsed = (now - recording.summary.anchor_ns) / NS
            progress.update(bar, completed=elapsed, rows=_rows(recording.summary))
            waiting = [Text(waiting_for.text, style="yellow")] if waiting_for.text else []
            view = LiveView(
                facts=(),
                lines=screen.lines(recording.summary, now),
                alarms=alarm_lines(recording),
                footer=operator.line or (f"{HELP}   Ctrl-C: stop" if pressed.usable else ""),
            )
            channels = render(view, console.width, console.height - 2 - len(waiting), ascii_only=not has_blocks())
            live.update(Group(progress, *waiting, channels), refresh=STDERR.idle)
            await anyio.sleep(REFRESH_SECONDS)


def operator_of(recording: ActiveRun, *, stores_notes: bool) -> Operator:
    """Return what keys do during a recording.

    Args:
        stores_notes: a sink has a place for notes.
    """

    def write_note(text: str) -> None:
        if not stores_notes:
            raise ConfigError("notes are stored in SQLite recordings only", hint="Add a [[sink]] of type sqlite")
        recording.add_note(text)

    def acknowledge() -> int:
        names = {alarm.name for alarm in recording.shown_alarms() if not alarm.acknowledged}
        for name in sorted(names):
            recording.acknowledge_alarm(name)
        return len(names)

    return Operator(write_note, acknowledge)


def alarm_lines(recording: ActiveRun) -> list[AlarmLine]:
    """Return the alarms of a recording for the screen."""
    return [
        AlarmLine(alarm.name, alarm.channel, alarm.active, alarm.acknowledged, alarm.reason)
        for alarm in recording.shown_alarms()
    ]


def _rows(summary: AcquisitionSummary) -> str:
    count = summary.samples_missing_or_skipped
    return f"{summary.samples} rows" + (f", [yellow]{count} missing or skipped[/]" if count else "")


class Screen:
    """The lines of all channels, and the last values of each."""

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._trends: dict[Channel, deque[float | None]] = {}
        self._seen_ns: dict[Channel, int] = {}

    def lines(self, summary: AcquisitionSummary, now_ns: int) -> list[ChannelLine]:
        """Return a line for each channel: its last value with its age, and the status of its last row."""
        return [self._line(channel, seen, now_ns) for channel, seen in summary.channels.items()]

    def _line(self, channel: Channel, seen: ChannelSummary, now_ns: int) -> ChannelLine:
        trend = self._trends.setdefault(channel, deque(maxlen=TREND_WIDTH))
        number, label = _shown(seen.last_value, seen.text)
        if self._seen_ns.get(channel) != seen.last_value_ns:
            self._seen_ns[channel] = seen.last_value_ns
            trend.append(number)
        return ChannelLine(
            device=channel.device,
            channel=channel_name(channel),
            value=number,
            text=label,
            unit=seen.unit,
            status=seen.status.value,
            error=seen.error,
            age=age_of(seen, now_ns),
            old=self._freshness.is_old(channel, seen, now_ns),
            trend=trend,
        )


def _shown(value: Value, text: str | None) -> tuple[float | None, str | None]:
    """Return a value as its number and its text."""
    return (None, value) if isinstance(value, str) else (value, text)
