"""The hooks of riglog (pluggy project "riglog"). None does I/O; each is called once, when first needed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from riglog.plugin.driver import AnyDriver

if TYPE_CHECKING:
    import click

    from riglog.sinks.base import SinkType

PROJECT = "riglog"
GROUP = "riglog"
API_VERSION = 2
"""A plugin module says ``RIGLOG_API = 1``; another number is refused with both numbers named."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def riglog_drivers() -> Iterable[AnyDriver[Any]]:
    """The drivers this plugin brings."""
    raise NotImplementedError


@hookspec
def riglog_sinks() -> "Iterable[SinkType]":
    """The kinds of ``[[sink]]`` this plugin brings."""
    raise NotImplementedError


@hookspec
def riglog_commands(cli: "click.Group") -> None:
    """Add the plugin's own commands to the command line: ``riglog <vendor> …``."""
