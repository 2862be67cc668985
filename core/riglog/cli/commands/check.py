"""``riglog check``: validates a rig file; with ``--live`` also reads every device once."""

from functools import partial
from typing import Any

import click

from riglog.cli.console import add_row, format_value, messages, plain, plural, print_json, results, table
from riglog.cli.errors import explain
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.errors import RiglogError


@click.command("check", short_help="Validate a rig file; with --live, also read every device.")
@click.argument("rig", type=click.Path(readable=False))
@click.option("--live", is_flag=True, help="Also open every device and read it once.")
@json_option
def command(rig: str, live: bool, as_json: bool) -> int:
    """Validate the rig file RIG.

    No port is opened, unless --live is given: then every device is opened and read once.
    """
    return run(partial(_check, rig, live, as_json))


async def _check(path: str, live: bool, as_json: bool, interruption: Interruption) -> int:
    from riglog.cli.recording import device_paced, warn_of_high_load
    from riglog.config import load_rig
    from riglog.device import Pace
    from riglog.manager import Manager

    rig = load_rig(path)
    warn_of_high_load(rig)
    for sink in rig.sinks:
        await sink.check()
    devices: list[dict[str, Any]] = [
        {
            "device": spec.config.name,
            "driver": spec.driver.name,
            "port": spec.port_name,
            "protocol": spec.protocol,
            "address": spec.address,
            "rate_hz": None if device_paced(spec) else spec.config.rate_hz or rig.rate_hz,
        }
        for spec in rig.specs
    ]
    code = 0
    if live:
        async with Manager() as manager:
            for spec, entry in zip(rig.specs, devices, strict=True):
                try:
                    device = await manager.add_spec(spec)
                    entry["rate_hz"] = entry["rate_hz"] if device.pace is Pace.HOST else None
                    samples = await device.poll()
                except RiglogError as error:
                    failed = explain(error)  # every error is printed; the first gives the exit code
                    code = code or failed
                    entry["error"] = str(error)
                else:
                    entry["values"] = {
                        str(sample.channel): f"{format_value(sample.value, sample.text)} {sample.unit or ''}".strip()
                        for sample in samples
                    }
    if as_json:
        print_json(devices)
    else:
        _print(devices)
    _print_conclusion(path, devices, live)
    return code


def _print_conclusion(path: str, devices: list[dict[str, Any]], live: bool) -> None:
    failed = sum("error" in entry for entry in devices)
    counted = plural(len(devices), "device")
    if failed:
        line = f"[red]failed:[/] {plain(path)}: {failed} of {counted} cannot be read"
    else:
        line = f"[green]ok:[/] {plain(path)}: {counted}{', all devices respond' if live else ''}"
    messages().print(line, soft_wrap=True)


def _print(devices: list[dict[str, Any]]) -> None:
    listed = table("device", "driver", "port", "protocol", "address", "rate")
    values = table("channel", "value")
    for entry in devices:
        address = "" if entry["address"] is None else entry["address"]
        rate = "device-paced" if entry["rate_hz"] is None else f"{entry['rate_hz']:g} Hz"
        add_row(listed, entry["device"], entry["driver"], entry["port"] or "", entry["protocol"], address, rate)
        for channel, value in entry.get("values", {}).items():
            add_row(values, channel, value)
    results().print(listed)
    if values.row_count:
        results().print()
        results().print(values)
