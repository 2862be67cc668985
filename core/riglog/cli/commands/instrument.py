"""``riglog instrument``: instrument files: check one, write one, print its page, print the schema for editors."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from riglog.cli.console import messages, plain, plural, print_json, results
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.output import print_table
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError
from riglog.model import storable

if TYPE_CHECKING:
    from riglog.instrument import InstrumentDriver
    from riglog.testing.trial import Tried

KIND = "driver"


@click.group("instrument", short_help="Check, write and document instrument files.")
def command() -> None:
    """Instrument files: what describes an instrument to the drivers that need no Python."""


@command.command("check", short_help="Check a file and try it with every fault.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--no-trial", is_flag=True, help="Check the file only; do not try it on the simulated instrument.")
def check(file: str, no_trial: bool) -> int:
    """Check the instrument FILE, and record its simulated instrument with every kind of fault.

    Nothing is opened. Exit code 1 if a simulated recording has a wrong number, or no value.
    """
    from riglog.testing.trial import try_instrument

    driver = _driver_of(file)
    description = driver.format.load(file)
    found = plural(len(description.recorded), "channel")
    messages().print(f"[green]ok:[/] {plain(file)}: {found}", soft_wrap=True)
    if no_trial:
        return DONE
    tried = try_instrument(driver.name, file, **driver.trial_keys(file))
    print_table(
        ("fault", "values", "missing", "wrong"), [(one.fault, one.values, one.missing, one.wrong) for one in tried]
    )
    return _conclude(tried)


def _conclude(tried: "Sequence[Tried]") -> int:
    wrong = sum(one.wrong for one in tried)
    without = [one.fault for one in tried if not one.values]
    if wrong or without:
        counted = f"{plural(wrong, 'wrong value')}, no value with: {', '.join(without) or 'none'}"
        messages().print(f"[red]failed:[/] {counted}", soft_wrap=True)
        return INCOMPLETE
    return DONE


@command.command("doc", short_help="Print the documentation page of a file.")
@click.argument("file", type=click.Path(readable=False))
def doc(file: str) -> None:
    """Print the documentation page of the instrument FILE, in Markdown."""
    from riglog.instrument import page
    from riglog.plugin import configure

    driver = _driver_of(file)
    table = {"name": "meter", "driver": driver.name, "port": "meter", "instrument": file, **driver.trial_keys(file)}
    config = configure(driver, table, "device")
    shown = page(driver, driver.describe(config), driver.link(config), driver.transactions(config), Path(file).name)
    results().print(shown, markup=False, highlight=False, soft_wrap=True)


@command.command("schema", short_help="Print the JSON schema of instrument files.")
@click.argument(KIND)
def schema(driver: str) -> None:
    """Print the JSON schema of the instrument files of DRIVER, for editors."""
    from riglog.instrument import json_schema

    print_json(json_schema(_driver(driver).format))


@command.command("list", short_help="List the files that the drivers bring along.")
def listed() -> None:
    """List the instrument files that the installed drivers bring along."""
    from riglog.instrument import UNTRIED, shipped_names

    rows = []
    for driver in _drivers():
        for name in shipped_names(driver.format.package):
            head = driver.format.load(name).head
            rows.append((name, driver.name, head.title, ", ".join(head.hardware) or UNTRIED))
    print_table(("instrument", "driver", "title", "hardware"), rows)


@command.command("new", short_help="Write an instrument file.")
@click.argument(KIND)
@click.option(
    "-o", "--out", required=True, type=click.Path(readable=False), help="The file to write; it must not exist."
)
@click.option("--from-port", "port", help="Read this port, and write what is recognised.")
@click.option("--protocol", help="Protocol. Default: the first protocol of the driver.")
@click.option("--baudrate", type=int, help="Baud rate of the instrument. Default: 9600.")
@click.option("--parity", type=click.Choice(["N", "E", "O"]), help="Parity of the instrument. Default: N.")
@click.option("--address", default="1", show_default=True, help="Bus address.")
@click.option("--function", type=int, help="Modbus function: 3 holding registers, 4 input registers.")
@click.option("--registers", help="Modbus registers to read, such as 0-19.")
@click.option(
    "--confirm", is_flag=True, help="Send requests as they are typed, although one may change the instrument."
)
def new(**options: Any) -> int:
    """Write an instrument file for DRIVER: a short one to begin with, or from an instrument on a port.

    A file that exists is not changed.
    """
    return run(lambda interruption: _new(interruption, **options))


async def _new(_: Interruption, driver: str, out: str, port: str | None, **options: Any) -> int:
    from riglog.protocol import Connection
    from riglog.transport import Link, open_transport

    chosen = _driver(driver)
    if await anyio.Path(out).exists():
        raise ConfigError("file exists and was not overwritten", hint="Choose another file name", file=out)
    text = chosen.sample_file()
    if port is not None:
        link = Link(
            protocol=options["protocol"] or chosen.protocols[0],
            baudrate=options["baudrate"] or 9600,
            parity=options["parity"] or "N",
        )
        transport = await open_transport(port, link)
        try:
            text = await chosen.draft(Connection(transport, link), options, _Prompt())
        finally:
            await transport.aclose()
    try:
        async with await anyio.open_file(out, "x", encoding="utf-8") as file:
            await file.write(text)
    except OSError as error:
        raise ConfigError(
            f"cannot write the instrument file: {error.strerror}", hint="Choose another path", file=out
        ) from None
    messages().print(f"[green]written:[/] {plain(out)}", soft_wrap=True)
    return DONE


class _Prompt:
    """The dialogue at the terminal."""

    def show(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        print_table(columns, rows)

    def ask(self, question: str, default: str = "") -> str:
        return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def _drivers() -> "list[InstrumentDriver[Any, Any, Any]]":
    from riglog.instrument import InstrumentDriver
    from riglog.plugin import installed

    return [driver for driver in installed().drivers.values() if isinstance(driver, InstrumentDriver)]


def _driver(name: str) -> "InstrumentDriver[Any, Any, Any]":
    """Return a driver of instrument files.

    Raises:
        ConfigError: it is not installed, or is none.
    """
    found = {driver.name: driver for driver in _drivers()}
    if name not in found:
        available = ", ".join(found) or "none; install riglog-modbus or riglog-ascii"
        raise ConfigError(f"driver {name!r} has no instrument files", hint=f"Available: {available}")
    return found[name]


def _driver_of(file: str) -> "InstrumentDriver[Any, Any, Any]":
    """Return the driver that a file states.

    Raises:
        ConfigError: the file cannot be read, or its driver is not installed.
    """
    from riglog.instrument.source import find_file, read_source

    shipped = [driver for driver in _drivers() if _brings_along(driver, file)]
    if shipped:
        return shipped[0]
    if not file.endswith(".toml") and "\0" not in file and file:
        from riglog.instrument import shipped_names

        names = [name for driver in _drivers() for name in shipped_names(driver.format.package)]
        hint = f"Give the path of a file that ends with .toml, or one of: {', '.join(names)}"
        raise ConfigError(f"instrument {storable(file)!r} unknown", hint=hint)
    package = next((driver.format.package for driver in _drivers()), "riglog")
    stated = read_source(find_file(file, package), package).table.get("driver")
    if stated is not None and not isinstance(stated, str):
        raise ConfigError("driver: not a text", hint='Write driver = "modbus" or driver = "ascii"', file=file)
    if stated is None:
        raise ConfigError("driver: missing", hint='Add driver = "modbus" or driver = "ascii"', file=file)
    return _driver(stated)


def _brings_along(driver: "InstrumentDriver[Any, Any, Any]", name: str) -> bool:
    from riglog.instrument import shipped_names

    return name in shipped_names(driver.format.package)
