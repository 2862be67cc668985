"""``riglog check``: is the rig file right, and with ``--live``, does everything answer?"""

from functools import partial
from typing import Any

import click
from rich.markup import escape

from riglog.cli.console import add, count, data, notes, print_json, shown, table
from riglog.cli.errors import explain
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.errors import RiglogError


@click.command("check", short_help="Check a rig file; with --live, ask every device.")
@click.argument("rig", type=click.Path(readable=False))
@click.option("--live", is_flag=True, help="Open every device and read it once.")
@json_option
def command(rig: str, live: bool, as_json: bool) -> int:
    """Check the rig file RIG without opening anything; with --live, open and read every device once."""
    return run(partial(_check, rig, live, as_json))


async def _check(path: str, live: bool, as_json: bool, interruption: Interruption) -> int:
    from riglog.cli.recording import warn_of_tight_lines
    from riglog.config import load_rig
    from riglog.manager import Manager

    rig = load_rig(path)
    warn_of_tight_lines(rig)
    for sink in rig.sinks:
        await sink.check()
    found: list[dict[str, Any]] = [
        {
            "device": spec.config.name,
            "driver": spec.driver.name,
            "port": spec.port_name,
            "protocol": spec.protocol,
            "address": spec.address,
            "rate_hz": spec.config.rate_hz or rig.rate_hz,
        }
        for spec in rig.specs
    ]
    code = 0
    if live:
        async with Manager() as manager:
            for spec, entry in zip(rig.specs, found, strict=True):
                try:
                    device = await manager.add_spec(spec)
                    samples = await device.poll()
                except RiglogError as error:
                    failed = explain(error)  # each is told; the first gives the exit code
                    code = code or failed
                    entry["error"] = str(error)
                else:
                    entry["values"] = {
                        str(sample.channel): f"{shown(sample.value, sample.text)} {sample.unit or ''}".strip()
                        for sample in samples
                    }
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not code:
        answers = ", everybody answers" if live else ""
        notes().print(f"[green]fine:[/] {escape(path)}, {count(len(found), 'device')}{answers}", soft_wrap=True)
    return code


def _print(found: list[dict[str, Any]]) -> None:
    devices = table("device", "driver", "port", "protocol", "address", "rate")
    values = table("channel", "value")
    for entry in found:
        address = "" if entry["address"] is None else entry["address"]
        rate = f"{entry['rate_hz']:g} Hz"
        add(devices, entry["device"], entry["driver"], entry["port"] or "", entry["protocol"], address, rate)
        for channel, value in entry.get("values", {}).items():
            add(values, channel, value)
    data().print(devices)
    if values.row_count:
        data().print()
        data().print(values)
