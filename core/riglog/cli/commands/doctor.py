"""``riglog doctor``: looks at what a recording needs of this computer, and names what mends each finding."""

from collections.abc import Iterator
from functools import partial

import click

from riglog.cli.console import add_row, plural, print_json, results, table
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.health import checks
from riglog.cli.health.finding import Finding
from riglog.cli.health.system import System, this_system
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.config import RigConfig
from riglog.errors import RiglogError
from riglog.timekeeping import clock_source


@click.command("doctor", short_help="Look for what would disturb a recording.")
@click.argument("rig", type=click.Path(readable=False), required=False)
@json_option
def command(rig: str | None, as_json: bool) -> int:
    """Look for what would disturb a recording on this computer, and print the command that mends it.

    With a rig file RIG its ports, sinks and disks are looked at, else all serial ports. No port is opened, and nothing
    is changed. The exit code is 1 if there is a problem.
    """
    return run(partial(_doctor, rig, as_json))


async def _doctor(path: str | None, as_json: bool, interruption: Interruption) -> int:
    from riglog.config import load_rig
    from riglog.model import SYSTEM_CLOCK

    rig = None if path is None else load_rig(path)
    found = list(_findings(rig, this_system()))
    if rig is not None:
        found += await checks.sinks(rig)
        found += checks.certificates(rig, SYSTEM_CLOCK.utc_ns())
    if as_json:
        print_json(found)
    else:
        _print(found)
    return INCOMPLETE if any(each.state == "problem" for each in found) else DONE


def _findings(rig: RigConfig | None, system: System) -> Iterator[Finding]:
    from riglog.plugin import installed
    from riglog.sinks.sqlite.schema import SQLITE_VERSION
    from riglog.transport.holders import port_holders

    yield from checks.python()
    yield from checks.sqlite(SQLITE_VERSION)
    yield from checks.plugins(installed())
    yield from checks.clock(clock_source())
    devices, failed = _ports(rig)
    yield from failed
    yield from checks.ports(devices, system, port_holders(devices) or {}, needed=rig is not None)
    if rig is not None:
        yield from checks.disks(rig, system)


def _ports(rig: RigConfig | None) -> tuple[list[str], list[Finding]]:
    """Return the device files of the ports of a rig, and what is wrong with a name; without a rig all serial ports."""
    from riglog.transport import serial_ports
    from riglog.transport.serial import usb_device

    if rig is None:
        return [port.device for port in serial_ports()], []
    devices: dict[str, None] = {}
    failed = []
    for spec in rig.specs:
        kind, _, rest = spec.key.partition(":")
        if kind in ("sim", "tcp", "direct"):
            continue
        try:
            devices[usb_device(rest) if kind == "usb" else spec.key] = None
        except RiglogError as error:
            failed.append(Finding("port", "problem", str(error), "riglog ports"))
    return list(devices), failed


def _print(found: list[Finding]) -> None:
    listed = table("check", "state", "finding, and the command that mends it")
    for each in found:
        add_row(listed, each.check, each.state, each.finding)
        if each.command is not None and each.state != "ok":
            add_row(listed, "", "", f"$ {each.command}")
    results().print(listed)
    problems, advice = (sum(each.state == state for each in found) for state in ("problem", "advice"))
    results().print(f"{plural(problems, 'problem')}, {advice} advice")
