"""``riglog discover``: scans ports for instruments, and writes a rig file with those found."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from riglog.cli.console import add_row, messages, plain, print_json, print_warning, results, table
from riglog.cli.errors import DONE, explain
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError
from riglog.manager.discovery import Discovered, discover
from riglog.plugin import AnyDriver, Driver
from riglog.sinks.files import create


@click.command("discover", short_help="Scan ports for instruments.")
@click.option("--port", "ports", multiple=True, help="Port to scan; may be repeated. Default: all serial ports.")
@click.option(
    "--driver", "drivers", multiple=True, help="Driver to probe with; may be repeated. Default: all installed drivers."
)
@click.option(
    "--listen",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to listen for instruments in continuous output mode.",
)
@click.option(
    "--write", type=click.Path(dir_okay=False, readable=False), help="Write a rig file with the instruments found."
)
@json_option
def command(
    ports: tuple[str, ...], drivers: tuple[str, ...], listen: float | None, write: str | None, as_json: bool
) -> int:
    """Scan ports for instruments. Only read requests are sent.

    A port without instruments can take minutes, because every protocol and address is tried.
    """
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
    able = [driver for driver in drivers if can_be_discovered(driver)]
    unable = [driver.name for driver in drivers if driver not in able]
    if not able:
        raise ConfigError(
            f"driver {', '.join(unable)} cannot be discovered: it has no probe",
            hint="Add the device to the rig file yourself; `riglog check RIG.toml --live` reads it once",
        )
    if unable:
        print_warning(f"driver {', '.join(unable)} cannot be discovered: it has no probe")
    scanned = list(ports) or [port.device for port in serial_ports()]
    with _progress() as progress:
        found, closed = await discover(scanned, able, progress, listen=listen, note=print_warning)
    tables = _tables(found)
    if as_json:
        print_json([entry | {"identity": one.found.identity} for one, entry in zip(found, tables, strict=True)])
    elif found or len(closed) < len(scanned):
        _print(found, tables, [port for port in scanned if port not in {result.device for result in closed}])
    if write is not None and tables:
        _write(write, tables)
    codes = [explain(result.error) for result in closed if result.error is not None]
    return max(codes, default=DONE) if ports else DONE


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show each step in place of the one before; in a pipe or a file on a line of its own."""
    if messages().is_terminal:
        with messages().status("scanning") as status:
            yield lambda step: status.update(plain(step))
    else:
        yield lambda step: messages().print(plain(step), soft_wrap=True)


def _tables(found: list[Discovered]) -> list[dict[str, Any]]:
    """Return a ``[[device]]`` table per instrument, named after its driver and numbered."""
    count: dict[str, int] = {}
    tables = []
    for instrument in found:
        number = count[instrument.driver] = count.get(instrument.driver, 0) + 1
        tables.append(instrument.table(f"{instrument.driver}-{number}"))
    return tables


def can_be_discovered(driver: AnyDriver[Any]) -> bool:
    """Return True if the driver names links to probe."""
    return isinstance(driver, Driver) and type(driver).links_to_probe is not Driver.links_to_probe


def _refuse_existing(path: str | None) -> None:
    if path is not None and os.path.lexists(path):
        raise ConfigError("file exists and was not overwritten", hint="Choose another file name", file=path)


def _write(path: str, tables: list[dict[str, Any]]) -> None:
    lines = ["[run]", 'name = "run"', "rate_hz = 1.0"]
    for entry in tables:
        lines += ["", "[[device]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    try:
        with create(Path(path)) as file:
            file.write(("\n".join(lines) + "\n").encode())
    except OSError as error:
        hint = "Choose another path"
        raise ConfigError(f"cannot write the rig file: {error.strerror}", hint=hint, file=path) from None
    name = plain(path)
    messages().print(f"[dim]rig file written: {name}. Next: riglog check {name} --live[/]", soft_wrap=True)


def _print(found: list[Discovered], tables: list[dict[str, Any]], scanned: list[str]) -> None:
    if not found:
        none = "any port: no serial ports on this machine; give one with --port"
        messages().print(f"no instrument responded on {plain(', '.join(scanned) or none)}", soft_wrap=True)
        return
    listed = table("name", "driver", "port", "protocol", "address", "identity")
    for instrument, entry in zip(found, tables, strict=True):
        address = "" if instrument.found.address is None else instrument.found.address
        cells = [entry["name"], instrument.driver, instrument.port, instrument.found.protocol, address]
        add_row(listed, *cells, instrument.found.identity)
    results().print(listed)
