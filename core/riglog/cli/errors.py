"""Errors on the command line: one line each, with the next step, and the exit code."""

import os
import re
from collections.abc import Iterator

from click import ClickException
from click.exceptions import Abort, NoArgsIsHelpError

from riglog.cli.console import messages, plain
from riglog.errors import (
    MEMORY_HINT,
    ConfigError,
    DeviceError,
    PortError,
    ProtocolError,
    RiglogError,
    StorageError,
    WriteRefusedError,
)

DONE, INCOMPLETE, USAGE, DEVICE, STORAGE, CHANGED = 0, 1, 2, 3, 4, 5
"""Exit codes. INCOMPLETE: completed, but values are missing. CHANGED: a recording is not as it was sealed."""
ABORTED = 130
PASSWORD = re.compile(r"(\b[a-z]+:/{1,2}[^\s/:@]*:)\S*@")
"""In an address that was given where a file is expected, and is printed as its name."""
CODES: tuple[tuple[type[RiglogError], int], ...] = (
    (ConfigError, USAGE),
    (WriteRefusedError, USAGE),
    (PortError, DEVICE),
    (ProtocolError, DEVICE),
    (DeviceError, DEVICE),
    (StorageError, STORAGE),
)


def explain(error: BaseException) -> int:
    """Print an error, or each error of a group, on stderr; return the exit code of the first.

    An error that riglog does not raise on purpose is a bug: it is raised again, with its traceback. A path that cannot
    be used is none, such as a name that is too long or a directory that may not be read.
    """
    errors = list(_flat(error))
    if any(isinstance(found, Abort | KeyboardInterrupt) for found in errors):  # Ctrl-C, or no more input at a question
        return ABORTED
    if any(isinstance(found, MemoryError) for found in errors):
        print_error("out of memory", MEMORY_HINT)
        return STORAGE
    for found in errors:
        if not isinstance(found, (RiglogError, ClickException)) and not _is_about_a_path(found):
            raise found from None
    codes = [_explain(found) for found in errors]
    return codes[0]


def print_error(message: str, hint: str | None = None) -> None:
    """Print one line on stderr: the error, then the hint as a sentence of its own."""
    message, hint = (PASSWORD.sub(r"\1***@", text or "") for text in (message, hint))
    next_step = f" [dim]{plain(sentence(hint))}[/]" if hint else ""
    fact = sentence(message) if hint else message
    messages().print(f"[bold red]error:[/] {plain(fact)}{next_step}", soft_wrap=True)


def sentence(text: str) -> str:
    """Return a text with a full stop at its end, unless it ends with one or with a question mark."""
    return text if text.endswith((".", "?", "…")) else f"{text}."


def _explain(error: BaseException) -> int:
    if isinstance(error, NoArgsIsHelpError):
        error.show()
        return USAGE
    if isinstance(error, ClickException):
        context = getattr(error, "ctx", None)
        print_error(error.format_message(), f"See `{context.command_path} --help`" if context else None)
        return USAGE
    if isinstance(error, OSError):
        print_error(
            f"{os.fsdecode(error.filename)}: cannot be used: {error.strerror}", "Check the path and its permissions"
        )
        return STORAGE
    assert isinstance(error, RiglogError)
    print_error(error.text(without=("request",)), _with_port(error))
    return next((code for kind, code in CODES if isinstance(error, kind)), USAGE)


def _is_about_a_path(error: BaseException) -> bool:
    return isinstance(error, OSError) and isinstance(error.filename, str | bytes) and bool(error.strerror)


def _with_port(error: RiglogError) -> str | None:
    """Return the hint; `riglog discover` in it scans the port of the error only, where the port is there."""
    port = error.context.get("port")
    if error.hint is None or port is None or not isinstance(error, ProtocolError):
        return error.hint
    return error.hint.replace("`riglog discover`", f"`riglog discover --port {port}`")


def _flat(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _flat(inner)
    else:
        yield error
