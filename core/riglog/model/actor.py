"""Who does something to a recording: writes a note, acknowledges an alarm, accepts an instrument."""

import sys
from typing import Annotated

from msgspec import Meta, Struct

NOT_KNOWN = "(not known)"
MAX_NAME = 200
Name = Annotated[str, Meta(max_length=MAX_NAME)]


class Actor(Struct, frozen=True):
    """``user`` of the operating system, or the name that the user has given; ``program`` and ``host``."""

    user: Name
    program: Name
    host: Name


def this_actor(program: str, name: str | None = None) -> Actor:
    """Return who uses this process; ``name`` is the one that the user has given."""
    import socket

    return Actor((name or user())[:MAX_NAME], program, socket.gethostname()[:MAX_NAME])


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
