"""``riglog ports``: the serial ports of this machine, how to name them, and which program has them open."""

import sys
from pathlib import Path

import click

from riglog.cli.console import add_row, print_json, results, table
from riglog.cli.options import json_option

BY_ID = Path("/dev/serial/by-id")


@click.command("ports", short_help="List the serial ports of this machine.")
@json_option
def command(as_json: bool) -> None:
    """List the serial ports of this machine, without opening any.

    The name under "stable name" stays the same when adapters are plugged in again in another order.
    """
    from riglog.transport import serial_ports
    from riglog.transport.holders import port_holders

    ports = serial_ports()
    holders = port_holders([port.device for port in ports])
    names = {port.device: _by_id(port.device) for port in ports}
    shared = [port.usb for port in ports if port.usb]
    found = []
    for port in ports:
        usb = None
        if port.usb:
            usb = f"usb:{port.usb}" if shared.count(port.usb) == 1 else f"usb:{port.usb}@{port.location}"
        found.append(
            {
                "device": port.device,
                "description": port.description,
                "usb": usb,
                "location": port.location,
                "by_id": names[port.device],
                "in_use_by": None if holders is None else holders[port.device],
            }
        )
    if as_json:
        print_json(found)
        return
    if not found:
        results().print("No serial ports found.")
        return
    listed = table("port", "stable name", "description", "in use by")
    for entry, port in zip(found, ports, strict=True):
        users = "not known on this system" if holders is None else ", ".join(holders[port.device]) or "-"
        add_row(listed, port.device, entry["usb"] or entry["by_id"] or "-", port.description, users)
    results().print(listed)


def _by_id(device: str) -> str | None:
    """Return the name of a port under /dev/serial/by-id, on Linux."""
    if not sys.platform.startswith("linux") or not BY_ID.is_dir():
        return None
    wanted = Path(device).resolve()
    return next((str(link) for link in sorted(BY_ID.iterdir()) if link.resolve() == wanted), None)
