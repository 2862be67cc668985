"""Who does something to a recording or an instrument, and why: starts a run, writes, notes, acknowledges, accepts."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Annotated

from msgspec import Meta, Struct

from riglog.errors import ConfigError
from riglog.model.text import storable

NOT_KNOWN = "(not known)"
MAX_NAME = 200
MAX_REASON = 1000
Name = Annotated[str, Meta(max_length=MAX_NAME)]
Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]
_program: ContextVar[str] = ContextVar("riglog_program", default="riglog")
_reason: ContextVar[str | None] = ContextVar("riglog_reason", default=None)


class Actor(Struct, frozen=True):
    """``user`` of the operating system, or the name that the user has given; ``program`` and ``host``."""

    user: Name
    program: Name
    host: Name


def this_actor(program: str | None = None, name: str | None = None) -> Actor:
    """Return who uses this process.

    Args:
        program: what the user has started; default: the command, or ``riglog`` in a program of the user.
        name: the one that the user has given.
    """
    import socket

    shown = f"{program or _program.get()} {_version()}".strip()
    return Actor(*(storable(text)[:MAX_NAME] for text in (name or user(), shown, socket.gethostname())))


def use_program(name: str) -> None:
    """Name the command that this process, or this task, performs: it is in every ``this_actor`` from now on."""
    _program.set(name)


@contextmanager
def reason(text: str | None) -> Iterator[None]:
    """State why the instruments are changed in this block: it is stored with every write.

    ``with riglog.reason("batch 12"): await oven.set_parameter("set_point", "80", confirm=True)``

    Args:
        text: at most 1000 characters; None: there is none.

    Raises:
        ConfigError: an empty or a longer text.
    """
    token = _reason.set(checked_reason(text))
    try:
        yield
    finally:
        _reason.reset(token)


def present_reason() -> str | None:
    """Return what the block around this call has stated."""
    return _reason.get()


def checked_reason(text: str | None) -> str | None:
    """Return a reason as it can be stored.

    Raises:
        ConfigError: an empty text, or a longer one than MAX_REASON.
    """
    if text is None:
        return None
    stripped = storable(text.strip())
    if not stripped:
        raise ConfigError("the reason has no text", hint="Write the text in quotes")
    if len(stripped) > MAX_REASON:
        raise ConfigError(
            f"the reason has {len(stripped)} characters",
            hint=f"Write at most {MAX_REASON}; riglog note takes longer texts",
        )
    return stripped


def user() -> str:
    """Return the name of the operating system user; environment variables do not change it where it can be asked."""
    try:
        if sys.platform == "win32":
            import getpass

            return getpass.getuser()
        import os
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (KeyError, OSError, ImportError):  # a user without a name, as in some containers
        return NOT_KNOWN


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("riglog")
    except PackageNotFoundError:
        return ""
