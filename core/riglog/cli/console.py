"""The two places to print: data on stdout, notes on stderr."""

import os
import sys
from functools import cache
from typing import Any

import msgspec
from rich.console import Console


@cache
def data() -> Console:
    """Where results go."""
    return Console(highlight=False)


@cache
def notes() -> Console:
    """Where everything else goes: progress, warnings, errors."""
    return Console(stderr=True, highlight=False)


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


def shown(value: float | int | bool | str | None, text: str | None = None) -> str:
    """A value for a table: seven significant digits, a dash where there is none."""
    if value is None:
        return "-"
    number = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{number} ({text})" if text else number
