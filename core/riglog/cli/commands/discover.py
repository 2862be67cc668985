"""``riglog discover``: scans ports for instruments, shows what each gives, and writes a rig file with them."""

from collections.abc import Sequence
from functools import partial

import click

from riglog.cli.console import add_row, messages, plain, print_json, print_warning, results, table
from riglog.cli.errors import DONE, explain
from riglog.cli.options import json_option
from riglog.cli.planned import Planned, plan, print_planned, read_planned
from riglog.cli.rig_text import NewRun, refuse_existing, run_name, write_rig_file
from riglog.cli.scan import Scan, drivers_that_discover, scan
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError


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

    A port without instruments can take minutes, because every protocol and address is tried. Each instrument that is
    found is read once, to show which channels will be recorded.
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
    if write is not None:
        refuse_existing(write)
    scanned = await scan(ports, drivers_that_discover(names), listen)
    devices = planned(scanned, write or "")
    await read_planned(devices)
    if as_json:
        print_json([_entry(device) for device in devices])
    elif devices or scanned.opened or not scanned.ports:
        print_found(scanned, devices)
    if write is not None and devices:
        write_rig_file(write, NewRun(run_name(write)), devices)
    codes = [explain(result.error) for result in scanned.failed if result.error is not None]
    return max(codes, default=DONE) if ports else DONE


def planned(scanned: Scan, rig: str) -> list[Planned]:
    """Return the instruments found as devices; a warning names one that its driver cannot operate as it was found."""
    devices = []
    for table_, instrument in zip(scanned.tables, scanned.found, strict=True):
        try:
            devices += plan([table_], [instrument.found.identity], rig)
        except ConfigError as error:
            print_warning(f"{instrument.found.identity} on {instrument.port} cannot be recorded as it is: {error}")
    return devices


def print_found(scanned: Scan, devices: Sequence[Planned]) -> None:
    """Print the instruments found, and the channels of each."""
    if not devices:
        none = "any port: no serial ports on this machine; give one with --port"
        messages().print(f"no instrument responded on {plain(', '.join(scanned.opened) or none)}", soft_wrap=True)
        if scanned.opened:
            messages().print(
                "riglog discover finds no instruments of the drivers modbus and ascii, which need an instrument file;"
                " riglog instrument new modbus (or ascii) --from-port PORT --out meter.toml writes one",
                soft_wrap=True,
            )
        return
    listed = table("name", "driver", "port", "protocol", "address", "identity")
    for device in devices:
        spec = device.spec
        address = "" if spec.address is None else spec.address
        add_row(listed, spec.name, spec.driver.name, spec.port_name, spec.protocol, address, device.identity)
    results().print(listed)
    results().print()
    print_planned(devices)


def _entry(device: Planned) -> dict[str, object]:
    return device.table | {
        "identity": device.identity,
        "channels": [str(channel) for channel in device.channels],
        "error": None if device.error is None else str(device.error),
    }
