"""The two places to print: data on stdout, notes on stderr."""

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
    print(text, flush=True)  # noqa: T201


def shown(value: float | int | bool | str | None, text: str | None = None) -> str:
    """A value for a table: seven significant digits, a dash where there is none."""
    if value is None:
        return "-"
    number = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{number} ({text})" if text else number
