"""What is going on while a recording runs, where somebody is looking: a progress line and the newest values."""

import anyio
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from riglog.acquire import AcquisitionSummary, ActiveRun
from riglog.cli.console import notes, shown
from riglog.model import NS, SYSTEM_CLOCK

REFRESH_SECONDS = 0.2
BETWEEN = "   "


async def show_progress(recording: ActiveRun, duration: float | None) -> None:
    """Show it until cancelled; nothing is left of it on the screen then."""
    console = notes()
    if not console.is_terminal:
        return
    progress = Progress(
        TextColumn("[bold]recording"),
        *([BarColumn(bar_width=20)] if duration else []),
        TimeElapsedColumn(),
        *([TimeRemainingColumn(), TextColumn("to go")] if duration else []),
        TextColumn("{task.fields[rows]}"),
        console=console,
    )
    bar = progress.add_task("", total=duration, rows="")
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            elapsed = (SYSTEM_CLOCK.monotonic_ns() - recording.summary.anchor_ns) / NS
            progress.update(bar, completed=elapsed, rows=_rows(recording.summary))
            live.update(Group(progress, _values(recording.summary, console.width)), refresh=True)
            await anyio.sleep(REFRESH_SECONDS)


def _rows(summary: AcquisitionSummary) -> str:
    missing = (
        f", [yellow]{summary.samples_missing_or_skipped} without a value[/]"
        if summary.samples_missing_or_skipped
        else ""
    )
    return f"{summary.samples} rows{missing}"


def _values(summary: AcquisitionSummary, width: int) -> Text:
    """The newest value of every channel; lines break between channels, not inside of one."""
    lines: list[str] = []
    for channel, seen in summary.channels.items():
        if seen.last_value is None:
            continue
        told = f"{channel} {shown(seen.last_value)} {seen.unit or ''}".rstrip()
        if lines and len(lines[-1]) + len(BETWEEN) + len(told) <= width:
            lines[-1] += BETWEEN + told
        else:
            lines.append(told)
    return Text("\n".join(lines), style="dim")
