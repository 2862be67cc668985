"""The progress display of a recording: elapsed time, number of rows, and the latest value of every channel."""

from collections.abc import Mapping

import anyio
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from riglog.acquire import AcquisitionSummary, ActiveRun
from riglog.cli.console import format_age, format_value, messages
from riglog.cli.freshness import Freshness, age_of
from riglog.cli.screen import STDERR, in_foreground, printable
from riglog.model import NS, SYSTEM_CLOCK, Event, EventKind

REFRESH_SECONDS = 0.2
SEPARATOR = "   "
NO_VALUE = "--"


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
    recording: ActiveRun, duration: float | None, periods: Mapping[str, float], waiting_for: WaitingFor
) -> None:
    """Show the progress on a terminal until cancelled; then the display is removed.

    A recording in the background of a shell shows none: it would be drawn over what other programs print.
    """
    console = messages()
    if not console.is_terminal or not in_foreground():
        return
    freshness = Freshness(periods, recording.summary.anchor_ns)
    progress = Progress(
        TextColumn("[bold]recording"),
        *([BarColumn(bar_width=20)] if duration else []),
        TimeElapsedColumn(),
        *([TimeRemainingColumn(), TextColumn("remaining")] if duration else []),
        TextColumn("{task.fields[rows]}"),
        console=console,
    )
    bar = progress.add_task("", total=duration, rows="")
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            now = SYSTEM_CLOCK.monotonic_ns()
            elapsed = (now - recording.summary.anchor_ns) / NS
            progress.update(bar, completed=elapsed, rows=_rows(recording.summary))
            values = latest_values(recording.summary, now, console.width, freshness)
            waiting = [Text(waiting_for.text, style="yellow")] if waiting_for.text else []
            live.update(Group(progress, *waiting, values), refresh=STDERR.idle)
            await anyio.sleep(REFRESH_SECONDS)


def _rows(summary: AcquisitionSummary) -> str:
    count = summary.samples_missing_or_skipped
    return f"{summary.samples} rows" + (f", [yellow]{count} missing or skipped[/]" if count else "")


def latest_values(summary: AcquisitionSummary, now_ns: int, width: int, freshness: Freshness) -> Text:
    """Return the latest value of every channel; an old one is dimmed and has its age, ``--`` stands for none.

    Lines are broken between channels.
    """
    lines = Text()
    column = 0
    for channel, seen in summary.channels.items():
        age = age_of(seen, now_ns)
        old = freshness.is_old(channel, seen, now_ns)
        value = NO_VALUE if age is None else f"{format_value(seen.last_value, seen.text)} {seen.unit or ''}".rstrip()
        aged = f" ({format_age(age)} old)" if age is not None and old else ""
        latest = Text(printable(f"{channel} {value}{aged}"), style="dim" if old or age is None else "")
        if column and column + len(SEPARATOR) + len(latest) > width:
            lines.append("\n")
            column = 0
        elif column:
            lines.append(SEPARATOR)
            column += len(SEPARATOR)
        lines.append_text(latest)
        column += len(latest)
    return lines
