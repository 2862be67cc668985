"""The two places to print: data on stdout, notes on stderr. And how values, tables and counts look on both."""

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

UNFOLDED = 1000
"""Columns where no terminal sets a limit: whoever reads a file or a pipe gets whole lines."""


@cache
def data() -> Console:
    """Where results go."""
    return _console(sys.stdout)


@cache
def notes() -> Console:
    """Where everything else goes: progress, warnings, errors."""
    return _console(sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on stdout, readable and with the keys in their order."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        print_no_more()


def print_no_more() -> None:
    """Whoever reads what we print, ``head`` say, has had enough: what is left goes nowhere, and that is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table without frame. What does not fit is folded, never cut; cells take no markup: see ``add``."""
    made = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, title=title, title_justify="left"
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def add(to: Table, *cells: object) -> None:
    """A row of plain texts: square brackets stay what they are."""
    to.add_row(*(escape(str(cell)) for cell in cells))


def shown(value: float | int | bool | str | None, text: str | None = None) -> str:
    """A value for a table: seven significant digits, a dash where there is none."""
    if value is None:
        return "-"
    number = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{number} ({text})" if text else number


def parameter(channel: Channel) -> str:
    """A channel without its device: ``setpoint``, ``setpoint[2]``."""
    return str(channel).removeprefix(f"{channel.device}.")


def clock(at: str) -> str:
    """An ISO 8601 time for a table: to the millisecond, without the letters."""
    return at[:23].replace("T", " ")


def count(number: int, thing: str) -> str:
    """``1 device``, ``2 devices``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _console(file: TextIO) -> Console:
    limited = file.isatty() or "COLUMNS" in os.environ
    return _Patient(stderr=file is sys.stderr, highlight=False, width=None if limited else UNFOLDED)


class _Patient(Console):
    """rich would end the program with 1 when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        print_no_more()
