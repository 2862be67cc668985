"""Options that several commands share: how to reach one device."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from riglog.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def device_options(function: F) -> F:
    """``DRIVER --port … --protocol … --address … --option KEY=VALUE``."""
    for decorate in reversed(
        (
            click.argument("driver"),
            click.option("--port", required=True, envvar="RIGLOG_PORT", help="Device path, COM port, tcp://host:port."),
            click.option("--protocol", help="Wire protocol; the driver's first by default."),
            click.option("--address", help="Address on the line, if the protocol has them."),
            click.option(
                "--option", "options", multiple=True, metavar="KEY=VALUE", help="Anything a [[device]] may say."
            ),
        )
    ):
        function = decorate(function)
    return function


def device_table(
    driver: str, port: str, protocol: str | None, address: str | None, options: Sequence[str]
) -> dict[str, Any]:
    """The options as a ``[[device]]`` table.

    Raises:
        ConfigError: an option is not KEY=VALUE.
    """
    table: dict[str, Any] = {"name": driver, "driver": driver, "port": port}
    if protocol is not None:
        table["protocol"] = protocol
    if address is not None:
        table["address"] = address
    return table | pairs(options, "--option")


def pairs(texts: Sequence[str], where: str) -> dict[str, str]:
    """``KEY=VALUE`` texts as a table.

    Raises:
        ConfigError: one has no ``=``.
    """
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"{where} {text!r} is not KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(function)


def refuse_nothing(file: str, **asked: str | None) -> None:
    """Say so if nothing was found because of what was asked for; a file that is empty is no mistake.

    Raises:
        ConfigError: something was asked for, by name.
    """
    if any(asked.values()):
        raise ConfigError(
            "the file has nothing of that name", hint="ask without it to see what is there", **asked, file=file
        )
