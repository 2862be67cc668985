"""Printed output: results on stdout, messages on stderr; and how values, times and tables are formatted."""

import os
import sys
from functools import cache
from typing import Any, TextIO

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from riglog.model import Channel

UNLIMITED_WIDTH = 1000
"""Columns of a file or a pipe, so that no row is folded there."""


@cache
def results() -> Console:
    """Return the console for results: stdout."""
    return _console(sys.stdout)


@cache
def messages() -> Console:
    """Return the console for everything else, such as progress, warnings and errors: stderr."""
    return _console(sys.stderr)


def print_json(value: Any) -> None:
    """Print one indented JSON document on stdout, with the keys in their order."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        discard_further_output()


def print_warning(message: str) -> None:
    """Print one line on stderr, marked as a warning."""
    messages().print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)


def discard_further_output() -> None:
    """Discard what is printed from now on: the reader of the pipe, such as ``head``, has closed it. Not an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table without a frame. Long cells are folded, never cut. Fill it with ``add_row``."""
    made = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, title=title, title_justify="left"
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def add_row(to: Table, *cells: object) -> None:
    """Add a row of plain texts; square brackets are not markup."""
    to.add_row(*(escape(str(cell)) for cell in cells))


def format_value(value: float | int | bool | str | None, text: str | None = None) -> str:
    """Return a value for a table: seven significant digits, ``-`` for None."""
    if value is None:
        return "-"
    number = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{number} ({text})" if text else number


def channel_name(channel: Channel) -> str:
    """Return the name of a channel without its device: ``setpoint``, ``setpoint[2]``."""
    return str(channel).removeprefix(f"{channel.device}.")


def format_time(at: str) -> str:
    """Return an ISO 8601 time for a table: to the millisecond, without letters."""
    return at[:23].replace("T", " ")


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 device``, ``2 devices``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _console(file: TextIO) -> Console:
    limited = file.isatty() or "COLUMNS" in os.environ
    return _PipeTolerantConsole(stderr=file is sys.stderr, highlight=False, width=None if limited else UNLIMITED_WIDTH)


class _PipeTolerantConsole(Console):
    """A console that does not end the program with code 1 when its pipe is closed."""

    def on_broken_pipe(self) -> None:
        discard_further_output()
