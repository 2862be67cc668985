"""How messages call the tables of a rig file: a device by its name, everything else by its position, counted from 1."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from riglog.errors import error_context


def place(kind: str, number: int, table: object) -> str:
    """Return ``device`` for a device whose name messages have in front; else ``device 2 (no name)``, ``sink 2``.

    Args:
        number: the position in the file, from 0.
    """
    if kind != "device":
        return f"{kind} {number + 1}"
    return kind if device_name(table) else f"{kind} {number + 1} (no name)"


def device_name(table: object) -> str | None:
    """Return the name in a ``[[device]]`` table, if it is one."""
    name = table.get("name") if isinstance(table, Mapping) else None
    return name if isinstance(name, str) and name else None


@contextmanager
def errors_at(kind: str, number: int, table: Any) -> Iterator[str]:
    """Yield the place, and put the name of the device in front of the errors of the block."""
    with error_context(device=device_name(table) if kind == "device" else None):
        yield place(kind, number, table)
