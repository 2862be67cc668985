"""What riglog loads: hooks only. Nothing happens at import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from riglog.plugin import hookimpl

if TYPE_CHECKING:
    import click

    from riglog.plugin import Driver

RIGLOG_API = 2


@hookimpl
def riglog_drivers() -> "Iterable[Driver[Any, Any]]":
    from riglog_ascii.driver import AsciiDriver

    return [AsciiDriver()]


@hookimpl
def riglog_commands(cli: "click.Group") -> None:
    from riglog_ascii.commands import ascii_commands

    cli.add_command(ascii_commands)
