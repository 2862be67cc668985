"""What riglog loads: the driver and the command ``riglog sartorius``."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from riglog.plugin import hookimpl

if TYPE_CHECKING:
    import click

    from riglog.plugin import AnyDriver

RIGLOG_API = 2


@hookimpl
def riglog_drivers() -> "Iterable[AnyDriver[Any]]":
    from riglog_sartorius.driver import SartoriusDriver

    return [SartoriusDriver()]


@hookimpl
def riglog_commands(cli: "click.Group") -> None:
    from riglog_sartorius.commands import sartorius

    cli.add_command(sartorius)
