"""``riglog demo``: simulated instruments of every installed vendor, recorded through the real serial path."""

import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from riglog.acquire import Overflow
from riglog.cli.console import data
from riglog.cli.errors import USAGE, say_error, warn
from riglog.cli.options import json_option
from riglog.cli.report import report
from riglog.cli.signals import Interruption, run

QUESTION = "SELECT device, parameter, AVG(value) FROM samples GROUP BY device, parameter"


@click.command("demo", short_help="Simulate every installed vendor and record it.")
@click.option("--duration", default="5s", show_default=True, help="How long to record.")
@click.option(
    "--out", default="riglog-demo.sqlite", show_default=True, type=click.Path(readable=False), help="SQLite file."
)
@json_option
def command(duration: str, out: str, as_json: bool) -> int:
    """Simulate instruments of every installed vendor on pseudo-terminals and record them."""
    return run(partial(_demo, duration, out, as_json))


async def _demo(duration: str, out: str, as_json: bool, interruption: Interruption) -> int:
    from riglog.cli.recording import record_rig
    from riglog.config import RigConfig, seconds
    from riglog.manager import resolve_device
    from riglog.plugin import installed
    from riglog.sinks import SqliteSink

    registry = installed()
    tables = registry.demo_tables(warn)
    if not tables:
        say_error("no vendor plugin is installed", "pip install 'riglog[all]'")
        return USAGE
    length = seconds(duration, "--duration")
    async with AsyncExitStack() as stack:
        lines = dict.fromkeys(table["port"] for table in tables if "port" in table)
        ports = {line: await _serve(stack, line, tables) for line in lines}
        specs = tuple(
            resolve_device(registry, table | ({"port": ports[table["port"]]} if "port" in table else {}))
            for table in tables
        )
        rig = RigConfig(Path("demo"), "", "demo", 2.0, length, 1.0, Overflow.BLOCK, (SqliteSink(out),), specs)
        outcome = await record_rig(rig, length, interruption)
    code = report(outcome, as_json=as_json)
    if not as_json and not code:
        data().print(f'\nLook further:\n  sqlite3 {out} "{QUESTION}"', markup=False, soft_wrap=True)
    return code


async def _serve(stack: AsyncExitStack, line: str, tables: Iterable[dict[str, Any]]) -> str:
    """Simulate everything that is on a line; the port to open."""
    from riglog.manager import resolve_device
    from riglog.plugin import installed
    from riglog.simulation import FaultyWire, SimulatedBus
    from riglog.simulation.serve import serve_pty

    if sys.platform == "win32":  # no pseudo-terminals: simulate in process
        return f"sim:{line}"
    specs = [
        resolve_device(installed(), table | {"port": f"sim:{line}"}) for table in tables if table.get("port") == line
    ]
    bus = SimulatedBus(spec.simulator() for spec in specs)
    server = await stack.enter_async_context(serve_pty(FaultyWire(bus)))
    return server.path
