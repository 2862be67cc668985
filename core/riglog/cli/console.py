"""Printed output: results on stdout, messages on stderr; and how values, times and tables are formatted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from riglog.cli.screen import STDERR, STDOUT, json_printable, printable

if TYPE_CHECKING:  # rich is imported when something is printed with it
    from rich.console import Console
    from rich.table import Table

    from riglog.model import Channel
    from riglog.sinks.rows import Row


@cache
def results() -> "Console":
    """Return the console for results: stdout."""
    from riglog.cli.safe_console import SafeConsole

    return SafeConsole(STDOUT)


@cache
def messages() -> "Console":
    """Return the console for everything else, such as progress, warnings and errors: stderr."""
    from riglog.cli.safe_console import SafeConsole

    return SafeConsole(STDERR)


def print_json(value: Any) -> None:
    """Print one indented JSON document on stdout, with the keys in their order."""
    import json

    import msgspec

    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # the name of a file that is no UTF-8 text
        text = json.dumps(msgspec.to_builtins(value), indent=2)
    STDERR.drain()
    STDOUT.write(json_printable(text) + "\n")


def print_warning(message: str) -> None:
    """Print one line on stderr, marked as a warning."""
    messages().print(f"[yellow]warning:[/] {plain(message)}", soft_wrap=True)


def plain(text: str) -> str:
    """Return a text for markup: square brackets are not markup, and control characters are escapes."""
    from rich.markup import escape

    return escape(printable(text))


def by_whom(reason: str | None) -> str:
    """Return who has changed an instrument with this command, and why."""
    from riglog.model.actor import user

    return f"changed by {user()}" + (f": {reason}" if reason else "")


def table(*columns: str, title: str | None = None) -> "Table":
    """Return an empty table without a frame. Long cells are folded, never cut. Fill it with ``add_row``."""
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        title=None if title is None else plain(title),
        title_justify="left",
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def add_row(to: "Table", *cells: object) -> None:
    """Add a row of plain texts, each on one line."""
    to.add_row(*(plain(str(cell)) for cell in cells))


def format_value(value: float | int | bool | str | None, text: str | None = None) -> str:
    """Return a value for a table: seven significant digits, ``-`` for None."""
    if value is None:
        return "-"
    number = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{number} ({text})" if text else number


def format_age(seconds: float) -> str:
    """Return a time in its unit: ``1.5 s``, ``45 s``, ``12 min``, ``5 h``, ``3 d``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def channel_name(channel: "Channel") -> str:
    """Return the name of a channel without its device: ``setpoint``, ``setpoint[2]``."""
    return str(channel).removeprefix(f"{channel.device}.")


def row_channel(row: "Row") -> str:
    """Return the name of the channel of a row, as ``channel_name``."""
    return row.parameter if row.instance == 1 else f"{row.parameter}[{row.instance}]"


def format_time(at: str) -> str:
    """Return an ISO 8601 time for a table: to the millisecond, without letters."""
    return at[:23].replace("T", " ")


def plural(number: int, noun: str, several: str | None = None) -> str:
    """Return a number with its noun: ``1 device``, ``2 devices``. ``several``: a plural that is not made with ``s``."""
    return f"{number} {noun}" if number == 1 else f"{number} {several or f'{noun}s'}"


@contextmanager
def progress_bar(what: str, *, enabled: bool = True) -> Iterator[Callable[[float], None]]:
    """Show a progress bar, if enabled and stderr is a terminal; yield the function that updates it."""
    console = messages()
    if not (enabled and console.is_terminal):
        yield lambda share: None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(what, total=1.0)
        yield lambda share: progress.update(bar, completed=share)
