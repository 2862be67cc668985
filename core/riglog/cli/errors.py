"""Errors for people: what failed, where, the likely cause and the next step; and the exit code that goes with it."""

from collections.abc import Iterator

from click import ClickException
from click.exceptions import NoArgsIsHelpError
from rich.markup import escape

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
    if strangers := [one for one in errors if not isinstance(one, (RiglogError, ClickException))]:
        raise strangers[0] from None
    codes = [_explain(one) for one in errors]
    return codes[0]


def say_error(message: str, hint: str | None = None) -> None:
    """One line on stderr: what failed and where, then what to do next."""
    next_step = f" - [dim]{escape(hint)}[/]" if hint else ""
    notes().print(f"[bold red]error:[/] {escape(message)}{next_step}", soft_wrap=True)


def warn(fault: object) -> None:
    """One line on stderr: what failed, although the command goes on."""
    notes().print(f"[yellow]warning:[/] {escape(str(fault))}", soft_wrap=True)


def _explain(error: BaseException) -> int:
    if isinstance(error, NoArgsIsHelpError):
        error.show()
        return USAGE
    if isinstance(error, ClickException):
        context = getattr(error, "ctx", None)
        say_error(error.format_message(), f"see `{context.command_path} --help`" if context else None)
        return USAGE
    assert isinstance(error, RiglogError)
    say_error(str(error), error.hint)
    return next((number for kind, number in CODES if isinstance(error, kind)), USAGE)


def _flat(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _flat(one)
    else:
        yield error
