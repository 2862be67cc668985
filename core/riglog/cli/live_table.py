"""The table of a live screen: one line for each channel, in a fixed order and with fixed columns."""

import sys
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from riglog.cli.console import format_age, format_value, messages
from riglog.cli.screen import printable
from riglog.cli.sparkline import sparkline

NO_VALUE = "--"
STYLES = {
    "ok": "green",
    "suspect": "yellow",
    "out_of_range": "yellow",
    "fault": "bold red",
    "missing": "red",
    "skipped": "red",
}
TREND_WIDTH = 16
GAP = 2
WIDE = 100
"""Columns of a terminal from which the reason of a missing value has a column of its own."""


class ChannelLine(Struct, frozen=True, kw_only=True):
    """What is shown of a channel. ``age`` is that of its newest row in seconds; None: it has none yet.

    ``old``: nothing new has come for longer than two periods. ``trend`` are its last values, oldest first.
    """

    device: str
    channel: str
    value: float | None
    text: str | None
    unit: str | None
    status: str
    error: str | None
    age: float | None
    old: bool
    trend: Sequence[float | None] = ()


class AlarmLine(Struct, frozen=True):
    """An alarm that is raised, or was cleared and is not acknowledged."""

    name: str
    channel: str
    active: bool
    acknowledged: bool
    reason: str

    @property
    def text(self) -> str:
        state = "ALARM" if self.active else "was raised"
        seen = ", acknowledged" if self.acknowledged else ""
        return f"{state}{seen}  {self.name}  {self.channel}: {self.reason}"

    @property
    def style(self) -> str:
        return "yellow" if self.acknowledged or not self.active else "bold white on red"


class LiveView(Struct, frozen=True, kw_only=True):
    """A whole screen: lines of facts above, channels from ``first`` on, then alarms and the newest events."""

    facts: Sequence[str]
    lines: Sequence[ChannelLine]
    alarms: Sequence["AlarmLine"] = ()
    events: Sequence[str] = ()
    first: int = 0
    footer: str = ""


def render(view: LiveView, width: int, height: int | None, *, ascii_only: bool = False) -> RenderableType:
    """Return a view as it fits into a terminal of this size; it fills the same lines whatever the values are.

    Args:
        height: None: as many lines as it takes.
    """
    if height is None:
        height = len(view.facts) + len(view.lines) + 5 * len(view.events) + 10
    events = list(view.events)[-min(len(view.events), max(1, height // 5)) :]
    room = room_for_channels(view, height)
    shown = view.lines[view.first : view.first + room]
    parts: list[RenderableType] = [_line(fact, width) for fact in view.facts]
    parts.append(_table(shown, view.lines, width, ascii_only))
    parts += [Text()] * (min(room, len(view.lines)) - len(shown))
    hidden = len(view.lines) - room
    if hidden > 0:
        last = view.first + len(shown)
        parts.append(_line(f"channels {view.first + 1} to {last} of {len(view.lines)}", width, "dim"))
    parts += _alarm_lines(view, width, height)
    parts += [_line(event, width, "dim") for event in events]
    if view.footer:
        parts.append(_line(view.footer, width, "reverse"))
    return Group(*parts)


def _alarm_lines(view: LiveView, width: int, height: int) -> list[Text]:
    """Return a line for each alarm; the last one counts those that do not fit."""
    most = _most_alarms(height)
    lines = [_line(alarm.text, width, alarm.style) for alarm in view.alarms[:most]]
    if len(view.alarms) > most:
        lines[-1] = _line(f"and {len(view.alarms) - most + 1} more alarms", width, "bold white on red")
    return lines


def _most_alarms(height: int) -> int:
    return max(1, height // 4)


def room_for_channels(view: LiveView, height: int) -> int:
    """Return how many channels fit into a terminal of this height."""
    events = min(len(view.events), max(1, height // 5))
    alarms = min(len(view.alarms), _most_alarms(height))
    used = len(view.facts) + 1 + alarms + events + bool(view.footer)  # 1: the heading of the table
    room = max(1, height - used)
    return room if len(view.lines) <= room else max(1, room - 1)


def _columns(every: Sequence[ChannelLine], width: int) -> list[tuple[str, int, Literal["left", "right"]]]:
    """Return the columns with widths that depend on the names of all channels and on the terminal, not on values."""
    fixed: list[tuple[str, int, Literal["left", "right"]]] = [
        ("value", 16, "right"),
        ("unit", 6, "left"),
        ("age", 6, "right"),
        ("status", 13, "left"),
    ]
    if width >= WIDE:
        fixed.append(("trend", TREND_WIDTH, "left"))
    rest = width - sum(size + GAP for _, size, _ in fixed) - GAP
    device = min(max([len("device"), *(len(line.device) for line in every)]), rest // 2)
    channel = min(max([len("channel"), *(len(line.channel) for line in every)]), rest - device)
    names: list[tuple[str, int, Literal["left", "right"]]] = [("device", device, "left"), ("channel", channel, "left")]
    if width >= WIDE:
        fixed.append(("reason", max(6, rest - device - channel - GAP), "left"))
    return [*names, *fixed]


def _table(lines: Sequence[ChannelLine], every: Sequence[ChannelLine], width: int, ascii_only: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", show_edge=False)
    for name, size, justify in _columns(every, width):
        table.add_column(name, width=size, no_wrap=True, overflow="ellipsis", justify=justify)
    for line in lines:
        table.add_row(*_cells(line, width, ascii_only), style="dim" if line.old else "")
    return table


def _cells(line: ChannelLine, width: int, ascii_only: bool) -> list[Text]:
    has_value = line.value is not None or line.text is not None
    value = format_value(line.value, line.text) if line.value is not None else (line.text or NO_VALUE)
    status = "no row" if line.age is None else f"{line.status}, old" if line.old else line.status
    cells = [
        Text(printable(line.device)),
        Text(printable(line.channel)),
        Text(printable(value), style="bold" if has_value and not line.old else ""),
        Text(printable(line.unit or "")),
        Text("-" if line.age is None else format_age(line.age)),
        Text(status, style="yellow" if line.old else STYLES.get(line.status, "")),
    ]
    if width >= WIDE:
        cells.append(Text(sparkline(line.trend, TREND_WIDTH, ascii_only=ascii_only)))
        cells.append(Text(printable(line.error or ""), style="dim"))
    return cells


def _line(text: str, width: int, style: str = "") -> Text:
    line = Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")
    line.truncate(width, overflow="ellipsis", pad=style == "reverse")
    return line


def has_blocks() -> bool:
    """Return whether the terminal can show the characters of a trend."""
    return "utf" in (getattr(sys.stdout, "encoding", "") or "").lower() and not messages().legacy_windows
