"""Errors for people: what failed, where, the likely cause and the next step; and the exit code that goes with it."""

from collections.abc import Iterator

from riglog.cli.console import notes
from riglog.errors import (
    ConfigError,
    DeviceError,
    PortError,
    ProtocolError,
    RiglogError,
    StorageError,
    WriteRefusedError,
)

DONE, GAPS, USAGE, NOT_OPENED, STORAGE = 0, 1, 2, 3, 4
CODES: tuple[tuple[type[RiglogError], int], ...] = (
    (ConfigError, USAGE),
    (WriteRefusedError, USAGE),
    (PortError, NOT_OPENED),
    (ProtocolError, NOT_OPENED),
    (DeviceError, NOT_OPENED),
    (StorageError, STORAGE),
)


def explain(error: BaseException) -> int:
    """Print an error and its causes on stderr, one line each; the exit code.

    An error that is not riglog's is a bug: it is raised again, with its traceback.
    """
    errors = list(_flat(error))
    if strangers := [one for one in errors if not isinstance(one, RiglogError)]:
        raise strangers[0]
    code = 0
    for one in errors:
        assert isinstance(one, RiglogError)
        notes().print(f"[bold red]error:[/] {_safe(str(one))}", highlight=False, soft_wrap=True)
        if one.hint:
            notes().print(f"       [dim]{_safe(one.hint)}[/]", highlight=False, soft_wrap=True)
        code = code or next((number for kind, number in CODES if isinstance(one, kind)), USAGE)
    return code


def _flat(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _flat(one)
    else:
        yield error


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(text)
