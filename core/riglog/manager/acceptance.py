"""The event of an instrument that was replaced on purpose: which one, by which, and who accepted it."""

import getpass
import sys

from riglog.model import Clock, Event, EventKind, storable

NOT_KNOWN = "(not known)"


def acceptance(device: str, old: str | None, new: str | None, clock: Clock) -> Event:
    """Return the event for a device whose identity was ``old`` and is ``new``; None: it reports none."""
    message = (
        f"identity accepted by user {storable(user())}: it is {new} as before"
        if new is not None and new == old
        else f"identity accepted by user {storable(user())}: {new or NOT_KNOWN} replaces {old or NOT_KNOWN}"
    )
    return Event(clock.utc_ns(), EventKind.IDENTITY_ACCEPTED, message, device)


def user() -> str:
    """Return the name of the operating system user; environment variables do not change it where it can be asked."""
    try:
        if sys.platform == "win32":
            return getpass.getuser()
        import os
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (KeyError, OSError, ImportError):  # a user without a name, as in some containers
        return NOT_KNOWN
