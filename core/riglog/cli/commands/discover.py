"""``riglog discover``: who answers on which port, and a rig file to begin with."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from riglog.cli.console import add, data, notes, print_json, table
from riglog.cli.errors import DONE, explain
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError
from riglog.manager.discovery import Discovered, discover


@click.command("discover", short_help="Find out who answers on which port.")
@click.option("--port", "ports", multiple=True, help="Look only here; default: every serial port of this machine.")
@click.option("--driver", "drivers", multiple=True, help="Look only for these; default: every installed driver.")
@click.option("--listen", type=click.FloatRange(min=0, min_open=True), help="Seconds to wait for slow broadcasters.")
@click.option("--write", type=click.Path(dir_okay=False, readable=False), help="Write a rig file with what was found.")
@json_option
def command(
    ports: tuple[str, ...], drivers: tuple[str, ...], listen: float | None, write: str | None, as_json: bool
) -> int:
    """Find instruments by asking, with reads only. Silence can take minutes: every port, protocol and address."""
    return run(partial(_discover, ports, drivers, listen, write, as_json))


async def _discover(
    ports: tuple[str, ...],
    names: tuple[str, ...],
    listen: float | None,
    write: str | None,
    as_json: bool,
    interruption: Interruption,
) -> int:
    from riglog.plugin import installed
    from riglog.transport import serial_ports

    _refuse_existing(write)
    registry = installed()
    drivers = [registry.driver(name) for name in names] or list(registry.drivers.values())
    where = list(ports) or [port.device for port in serial_ports()]
    with notes().status("looking") as status:
        found, closed = await discover(where, drivers, status.update, listen=listen)
    tables = _named(found)
    if as_json:
        print_json([table | {"identity": one.found.identity} for one, table in zip(found, tables, strict=True)])
    else:
        _print(found, tables, where)
    if write is not None and tables:
        _write(write, tables)
    codes = [explain(result.error) for result in closed if result.error is not None]
    return max(codes, default=DONE) if ports else DONE


def _named(found: list[Discovered]) -> list[dict[str, Any]]:
    """The finds as tables, named after their driver and numbered where there are several."""
    count: dict[str, int] = {}
    tables = []
    for one in found:
        number = count[one.driver] = count.get(one.driver, 0) + 1
        tables.append(one.table(f"{one.driver}-{number}"))
    return tables


def _refuse_existing(path: str | None) -> None:
    if path is not None and Path(path).exists():
        raise ConfigError("the rig file exists; it was left as it is", hint="choose another name", file=path)


def _write(path: str, tables: list[dict[str, Any]]) -> None:
    lines = ["[run]", 'name = "run"', "rate_hz = 1.0"]
    for entry in tables:
        lines += ["", "[[device]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    try:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        hint = "choose another place"
        raise ConfigError(f"the rig file cannot be written: {error.strerror}", hint=hint, file=path) from None
    notes().print(f"[dim]wrote {escape(path)}; next: riglog check {escape(path)} --live[/]", soft_wrap=True)


def _print(found: list[Discovered], tables: list[dict[str, Any]], where: list[str]) -> None:
    if not found:
        nowhere = "any port: this machine has no serial ports; name one with --port"
        notes().print(f"nobody answered on {escape(', '.join(where) or nowhere)}", soft_wrap=True)
        return
    shown = table("name", "driver", "port", "protocol", "address", "identity")
    for one, entry in zip(found, tables, strict=True):
        address = "" if one.found.address is None else one.found.address
        add(shown, entry["name"], one.driver, one.port, one.found.protocol, address, one.found.identity)
    data().print(shown)
