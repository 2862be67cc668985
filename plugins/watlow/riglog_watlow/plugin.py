"""The hooks that riglog calls; importing this file imports nothing else of the plugin."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from riglog.plugin import hookimpl

if TYPE_CHECKING:
    import click

    from riglog.plugin import AnyDriver

RIGLOG_API = 2


@hookimpl
def riglog_drivers() -> "Iterable[AnyDriver[Any]]":
    from riglog_watlow.driver import WatlowDriver

    return [WatlowDriver()]


@hookimpl
def riglog_commands(cli: "click.Group") -> None:
    from riglog_watlow.commands import watlow

    cli.add_command(watlow)
