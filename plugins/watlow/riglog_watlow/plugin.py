"""What riglog loads: hooks only, nothing happens at import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from riglog.plugin import Driver, hookimpl

if TYPE_CHECKING:
    import click

RIGLOG_API = 1


@hookimpl
def riglog_drivers() -> Iterable[Driver[Any]]:
    from riglog_watlow.driver import WatlowDriver

    return [WatlowDriver()]


@hookimpl
def riglog_commands(cli: "click.Group") -> None:
    from riglog_watlow.commands import watlow

    cli.add_command(watlow)
