"""``riglog init``: writes a rig file from questions, or from options where nobody can be asked."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click
import msgspec

from riglog.cli.commands.discover import planned, print_found
from riglog.cli.console import messages, plain
from riglog.cli.errors import DONE, explain
from riglog.cli.planned import Planned, plan, print_planned, read_planned
from riglog.cli.rig_text import NewRun, refuse_existing, run_name, write_rig_file
from riglog.cli.scan import Scan, drivers_that_discover, scan
from riglog.cli.screen import STDERR, STDOUT, printable
from riglog.cli.signals import Interruption, run
from riglog.config import seconds
from riglog.errors import ConfigError
from riglog.plugin import AnyDriver, Driver

ALL = "all"
ASKED_FOR = {"name", "driver", "port", "protocol", "address", "parameters"}


@click.command("init", short_help="Write a rig file, by questions or by options.")
@click.argument("rig", type=click.Path(dir_okay=False, readable=False), default="rig.toml")
@click.option("--discover", "ports", multiple=True, metavar="PORT", help=f"Search this port; {ALL}: every serial port.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="KEY=VALUE,…",
    help="A device: driver=watlow,port=COM3,protocol=stdbus and further keys of a [[device]] table.",
)
@click.option("--name", help="Name of the runs. Default: that of the file.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True, max=10_000), help="Polls per second. Default: 1.")
@click.option("--duration", help="Duration of a recording, for example 8h. Default: until Ctrl-C.")
@click.option("--offline", is_flag=True, help="Do not read the devices of --device before the file is written.")
def command(
    rig: str,
    ports: tuple[str, ...],
    devices: tuple[str, ...],
    name: str | None,
    rate: float | None,
    duration: str | None,
    offline: bool,
) -> int:
    """Write the rig file RIG (default: rig.toml) with comments. A file that exists is not touched.

    In a terminal the command prompts for everything, with --discover or --device for nothing. Each instrument is read
    once, to show which channels will be recorded; nothing is changed in it.
    """
    refuse_existing(rig)
    if duration is not None:
        seconds(duration, "--duration")
    new_run = NewRun(name or run_name(rig), rate or 1.0, duration)
    if ports or devices:
        return _from_options(rig, new_run, ports, devices, offline=offline)
    if not can_ask():
        raise ConfigError(
            "no device, and no terminal to prompt for one",
            hint="Add --discover PORT, or --device driver=watlow,port=/dev/ttyUSB0",
        )
    return _from_questions(rig, new_run)


def can_ask() -> bool:
    """Return True if somebody can answer."""
    return sys.stdin.isatty()


def _from_options(rig: str, new_run: NewRun, ports: Sequence[str], texts: Sequence[str], *, offline: bool) -> int:
    count: dict[str, int] = {}
    tables = [_table(text, count) for text in texts]
    given = plan(tables, [None] * len(tables), rig, strict=False)
    found = _search(ports, rig) if ports else []
    _number(found, {device.spec.name for device in given}, rig)
    devices = [*found, *given]
    _refuse_none(devices)
    if not offline:
        _finish(partial(_read, devices))
    print_planned(devices)
    write_rig_file(rig, new_run, devices)
    return DONE


def _refuse_none(devices: Sequence[Planned]) -> None:
    if not devices:
        raise ConfigError("no device: the rig file was not written", hint="Check power and wiring, or use --device")


def _search(ports: Sequence[str], rig: str) -> list[Planned]:
    """Return what is found on the ports; ``all``: on every serial port. What failed is printed."""
    kept: list[Scan] = []

    async def work(interruption: Interruption) -> int:
        kept.append(await scan([] if ALL in ports else ports, drivers_that_discover(()), None))
        return DONE

    _finish(work)
    for result in kept[0].failed:
        if result.error is not None:
            explain(result.error)
    found = planned(kept[0], rig)
    if not found:
        print_found(kept[0], [])
    return found


async def _read(devices: Sequence[Planned], interruption: Interruption) -> int:
    await read_planned(devices)
    return DONE


def _finish(work: Callable[[Interruption], Any]) -> None:
    """Run a part of the command; a signal during it ends the command."""
    code = run(work)
    if code != DONE:
        raise click.exceptions.Exit(code)


def _table(text: str, count: dict[str, int]) -> dict[str, Any]:
    """Return the table of ``driver=watlow,port=COM3,parameters=setpoint,output_power``; a name if it has none.

    Raises:
        ConfigError: it begins without a key, or has no driver.
    """
    table: dict[str, str] = {}
    key = ""
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals:
            key = name.strip()
            table[key] = value.strip()
        elif key:  # a further value of a list
            table[key] += f",{part}"
        else:
            hint = "For example --device driver=watlow,port=/dev/ttyUSB0,protocol=stdbus"
            raise ConfigError(f"--device: invalid value {text!r}; expected KEY=VALUE,KEY=VALUE", hint=hint)
    driver = table.get("driver", "device")
    number = count[driver] = count.get(driver, 0) + 1
    return {"name": f"{driver}-{number}"} | table


def _number(found: Sequence[Planned], taken: set[str], rig: str) -> None:
    """Give the devices that were found names that no other device has."""
    for device in found:
        name, number = device.spec.name, 1
        while name in taken:
            number += 1
            name = f"{device.spec.driver.name}-{number}"
        taken.add(name)
        _rename(device, name, rig)


def _rename(device: Planned, name: str, rig: str) -> None:
    (renamed,) = plan([device.table | {"name": name}], [device.identity], rig)
    device.spec, device.table = renamed.spec, renamed.table


# --- questions


def _from_questions(rig: str, suggested: NewRun) -> int:
    _say(f"This writes {rig}. Enter takes what is in brackets; Ctrl-C writes nothing.")
    new_run = NewRun(
        _ask("Name of the recordings", suggested.name, _valid_name),
        float(_ask("Polls per second", f"{suggested.rate_hz:g}", _valid_rate)),
        _ask("Duration, such as 8h; empty: until Ctrl-C", suggested.duration or "", _valid_duration) or None,
    )
    devices: list[Planned] = []
    if _confirm("Search the serial ports for instruments? Only read requests are sent", default=True):
        ports = _ask("Ports, separated by blanks; it takes about a minute for each", ALL).split()
        for device in _search(ports, rig):
            where = f"{device.identity} ({device.spec.driver.name}) on {device.spec.port_name}"
            check = partial(_valid_device, device, devices, rig)
            _rename(device, _ask(f"Name of {where}", device.spec.name, check), rig)
            devices.append(device)
    while _confirm("Add a device by hand?", default=not devices):
        devices.append(_device(devices, rig))
    _refuse_none(devices)
    if _confirm("Read every device once, to see what will be recorded?", default=True):
        _finish(partial(_read, devices))
    print_planned(devices)
    if not _confirm(f"Write {rig}?", default=True):
        _say("nothing was written")
        return DONE
    write_rig_file(rig, new_run, devices)
    return DONE


def _device(others: Sequence[Planned], rig: str) -> Planned:
    """Ask for one device until its table is that of a device."""
    from riglog.plugin import installed

    while True:
        registry = installed()
        driver = registry.driver(_ask(f"Driver ({', '.join(registry.drivers)})", "", _valid_driver))
        number = 1 + sum(device.spec.driver.name == driver.name for device in others)
        table = {"name": _ask("Name of the device", f"{driver.name}-{number}"), "driver": driver.name}
        table |= {key: _ask(key, default) for key, default in _keys(driver)}
        try:
            (device,) = plan([{key: text for key, text in table.items() if text}], [None], rig, strict=False)
            _refuse_duplicate(device.spec.name, others)
        except ConfigError as error:
            explain(error)
        else:
            return device


def _keys(driver: AnyDriver[Any]) -> list[tuple[str, str]]:
    """Return the keys to ask for, each with its default: what reaches the instrument, and what the driver requires."""
    fields = {field.name: field for field in msgspec.structs.fields(driver.config)}
    asked = [("port", "")] if isinstance(driver, Driver) else []
    if driver.protocols[1:]:
        asked.append(("protocol", driver.protocols[0]))
    if "address" in fields:
        default = fields["address"].default
        asked.append(("address", "" if default is None else str(default)))
    asked += [(name, "") for name, field in fields.items() if field.required and name not in ASKED_FOR]
    parameters = fields["parameters"].default
    return [*asked, ("parameters", ",".join(parameters) if isinstance(parameters, tuple) else "")]


def _ask(question: str, default: str, check: Callable[[str], object] = lambda text: None) -> str:
    """Return the answer to a question; a wrong one is asked again."""
    while True:
        STDOUT.drain()
        STDERR.drain()
        text = str(click.prompt(printable(question), default=default, show_default=bool(default), err=True)).strip()
        try:
            check(text)
        except ConfigError as error:
            explain(error)
        else:
            return text


def _confirm(question: str, *, default: bool) -> bool:
    STDOUT.drain()
    STDERR.drain()
    return click.confirm(question, default=default, err=True)


def _say(text: str) -> None:
    messages().print(plain(text), soft_wrap=True)


def _valid_name(text: str) -> None:
    from riglog.model import new_run

    new_run(text)


def _valid_rate(text: str) -> None:
    try:
        valid = 0 < float(text) <= 10_000
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"invalid rate {text!r}", hint="Use a number greater than 0 and at most 10000, such as 2")


def _valid_duration(text: str) -> None:
    if text:
        seconds(text, "duration")


def _valid_driver(text: str) -> None:
    from riglog.plugin import installed

    installed().driver(text)


def _valid_device(device: Planned, others: Sequence[Planned], rig: str, text: str) -> None:
    _refuse_duplicate(text, others)
    plan([device.table | {"name": text}], [None], rig)


def _refuse_duplicate(name: str, others: Sequence[Planned]) -> None:
    if any(other.spec.name == name for other in others):
        raise ConfigError(f"duplicate device name {name!r}", hint="Give every device a unique name")
