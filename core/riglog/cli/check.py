"""``riglog check``: is the rig file right, and with ``--live``, does everything answer?"""

from functools import partial
from typing import Any

import click

from riglog.cli.console import data, notes, print_json, shown
from riglog.cli.failing import explain
from riglog.cli.options import json_option
from riglog.cli.running import Interruption, run
from riglog.errors import RiglogError


@click.command("check")
@click.argument("rig", type=click.Path())
@click.option("--live", is_flag=True, help="Open every device and read it once.")
@json_option
def command(rig: str, live: bool, as_json: bool) -> int:
    """Check the rig file RIG without opening anything; with --live, open and read every device once."""
    return run(partial(_check, rig, live, as_json))


async def _check(path: str, live: bool, as_json: bool, interruption: Interruption) -> int:
    from riglog.cli.session import warn_of_tight_lines
    from riglog.config import load_rig
    from riglog.manager import Manager

    rig = load_rig(path)
    warn_of_tight_lines(rig)
    for sink in rig.sinks:
        await sink.check()
    found: list[dict[str, Any]] = [
        {
            "device": plan.config.name,
            "driver": plan.driver.name,
            "port": plan.config.port,
            "protocol": plan.link.protocol,
            "address": plan.address,
            "rate_hz": plan.config.rate_hz or rig.rate_hz,
        }
        for plan in rig.plans
    ]
    code = 0
    if live:
        async with Manager() as manager:
            for plan, entry in zip(rig.plans, found, strict=True):
                try:
                    device = await manager.add_planned(plan)
                    samples = await device.poll()
                except RiglogError as error:
                    code = code or explain(error)
                    entry["error"] = str(error)
                else:
                    entry["values"] = {
                        str(sample.channel): f"{shown(sample.value, sample.text)} {sample.unit or ''}".strip()
                        for sample in samples
                    }
    _print(found, live, as_json)
    if not code:
        notes().print(f"[green]{path} is fine[/]: {len(found)} devices{', all of them answer' if live else ''}")
    return code


def _print(found: list[dict[str, Any]], live: bool, as_json: bool) -> None:
    from rich.table import Table

    if as_json:
        print_json(found)
        return
    table = Table("device", "driver", "port", "protocol", "address", "rate", *(["values"] if live else []))
    for entry in found:
        values = "\n".join(f"{name} = {value}" for name, value in entry.get("values", {}).items())
        address = "" if entry["address"] is None else str(entry["address"])
        row = [entry["device"], entry["driver"], entry["port"], entry["protocol"], address, f"{entry['rate_hz']:g} Hz"]
        table.add_row(*row, *([values or f"[red]{entry.get('error', '')}[/]"] if live else []))
    data().print(table)
