"""The progress display of a recording: elapsed time, number of rows, and the latest value of every channel."""

import anyio
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from riglog.acquire import AcquisitionSummary, ActiveRun
from riglog.cli.console import format_value, messages
from riglog.model import NS, SYSTEM_CLOCK

REFRESH_SECONDS = 0.2
OLD_SECONDS = 5.0
"""Age from which a value is shown with its age."""
SEPARATOR = "   "


async def show_progress(recording: ActiveRun, duration: float | None) -> None:
    """Show the progress on a terminal until cancelled; then the display is removed."""
    console = messages()
    if not console.is_terminal:
        return
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
            live.update(Group(progress, latest_values(recording.summary, now, console.width)), refresh=True)
            await anyio.sleep(REFRESH_SECONDS)


def _rows(summary: AcquisitionSummary) -> str:
    count = summary.samples_missing_or_skipped
    return f"{summary.samples} rows" + (f", [yellow]{count} missing or skipped[/]" if count else "")


def latest_values(summary: AcquisitionSummary, now_ns: int, width: int) -> Text:
    """Return the latest value of every channel; lines are broken between channels."""
    lines: list[str] = []
    for channel, seen in summary.channels.items():
        age = (now_ns - seen.last_value_ns) / NS
        old = f" ({age:.0f} s old)" if seen.last_value is not None and age >= OLD_SECONDS else ""
        latest = f"{channel} {format_value(seen.last_value)} {seen.unit or ''}".rstrip() + old
        if lines and len(lines[-1]) + len(SEPARATOR) + len(latest) <= width:
            lines[-1] += SEPARATOR + latest
        else:
            lines.append(latest)
    return Text("\n".join(lines), style="dim")
