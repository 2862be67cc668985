"""The hooks of riglog (pluggy project "riglog"). None does I/O; each is called once, when first needed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from riglog.plugin.driver import AnyDriver
    from riglog.sinks.base import SinkType

PROJECT = "riglog"
GROUP = "riglog"
OLDEST_API = 2
API_VERSION = 2
API_VERSIONS = range(OLDEST_API, API_VERSION + 1)
"""The versions of the plugin API that this riglog provides. A plugin states those it works with: ``RIGLOG_API = 2``, or
``RIGLOG_API = (2, 3)``, lowest and highest; it is loaded if the two have a version in common."""

CORE_COMMANDS = frozenset(
    (
        "alarms",
        "bundle",
        "check",
        "completion",
        "demo",
        "cut",
        "discover",
        "doctor",
        "events",
        "explain",
        "export",
        "forward",
        "gaps",
        "info",
        "init",
        "instrument",
        "live",
        "new-driver",
        "note",
        "plot",
        "plugins",
        "ports",
        "raw",
        "read",
        "record",
        "report",
        "redecode",
        "replay",
        "runs",
        "salvage",
        "schema",
        "set",
        "simulate",
        "tail",
        "tap",
        "upgrade",
        "verify",
        "watch",
    )
)
"""The commands of riglog itself: names that no plugin can use."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def riglog_drivers() -> "Iterable[AnyDriver[Any]]":
    """Return the drivers of this plugin."""
    raise NotImplementedError


@hookspec
def riglog_sinks() -> "Iterable[SinkType]":
    """Return the types of ``[[sink]]`` of this plugin."""
    raise NotImplementedError


@hookspec
def riglog_commands(cli: "click.Group") -> None:
    """Add the commands of this plugin to the command line: ``riglog <vendor> …``."""
