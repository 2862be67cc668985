"""A run: one period of recording with one identifier and one rate. It may be interrupted and resumed."""

import os
import re

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model.clock import SYSTEM_CLOCK, Clock, read_both
from riglog.model.equipment import Equipment
from riglog.model.stamp import utc

RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""The pattern of a run name. It becomes part of the run id and of file names."""


class Run(Struct, frozen=True):
    """What was recorded: when, on which computer and with which versions.

    ``id`` is unique and readable: name, start time, four random hexadecimal digits.
    ``anchor_ns`` is the monotonic clock at ``started_ns`` (UTC); the pair converts one clock into the other.
    ``equipment``: the instruments with their certificates and calibrations, from the first row of the run to the last.
    """

    id: str
    name: str
    started_ns: int
    anchor_ns: int
    rate_hz: float | None
    host: str
    versions: dict[str, str]
    rig: str | None = None
    equipment: tuple[Equipment, ...] = ()


def new_run(name: str, clock: Clock = SYSTEM_CLOCK, *, rate_hz: float | None = None, rig: str | None = None) -> Run:
    """Return a run that starts now.

    Raises:
        ConfigError: invalid name.
    """
    if not re.fullmatch(RUN_NAME, name):
        raise ConfigError(
            f"invalid run name {name!r}",
            hint="Use letters, digits, '_', '.' and '-', starting with a letter or digit, at most 64 characters",
        )
    import socket

    anchor, ahead = read_both(clock)
    started = anchor + ahead
    identity = f"{name}.{utc(started):%Y%m%dT%H%M%SZ}.{os.urandom(2).hex()}"
    return Run(identity, name, started, anchor, rate_hz, socket.gethostname(), versions(), rig)


def versions() -> dict[str, str]:
    """Return the versions of Python and of every installed riglog distribution."""
    import platform
    from importlib.metadata import distributions

    found = {"python": platform.python_version()}
    for distribution in distributions():
        try:
            name, version = distribution.name or "", distribution.version
        except Exception:  # the metadata of any package in this environment, which may not be readable
            continue
        if name == "riglog" or name.startswith("riglog-"):
            found[name] = str(version or "?")
    return found
