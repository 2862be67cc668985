"""A run: one recording, from its first tick to its last."""

import platform
import re
import secrets
import socket
from importlib.metadata import distributions

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model.clock import SYSTEM_CLOCK, Clock
from riglog.model.stamp import utc

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Run(Struct, frozen=True):
    """Who recorded what, when and with which versions.

    ``id`` is unique in the world and readable: name, start, four random hex digits.
    ``anchor_ns`` is the monotonic clock at ``started_ns``: the pair translates one clock into the other.
    """

    id: str
    name: str
    started_ns: int
    anchor_ns: int
    rate_hz: float | None
    host: str
    versions: dict[str, str]
    rig: str | None = None


def new_run(name: str, clock: Clock = SYSTEM_CLOCK, *, rate_hz: float | None = None, rig: str | None = None) -> Run:
    """Start a run now.

    Raises:
        ConfigError: the name is not made of letters, digits, ``_``, ``.`` and ``-``.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"run name {name!r} is not usable", hint="use letters, digits, '_', '.' and '-', at most 64")
    started = clock.utc_ns()
    identity = f"{name}.{utc(started):%Y%m%dT%H%M%SZ}.{secrets.token_hex(2)}"
    return Run(identity, name, started, clock.monotonic_ns(), rate_hz, socket.gethostname(), versions(), rig)


def versions() -> dict[str, str]:
    """Python and every installed riglog distribution."""
    found = {"python": platform.python_version()}
    for distribution in distributions():
        name = distribution.name or ""
        if name == "riglog" or name.startswith("riglog-"):
            found[name] = distribution.version
    return found
