"""``riglog demo``: records simulated instruments of every installed plugin, through pseudo-terminals."""

import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import click

from riglog.cli.console import print_warning
from riglog.cli.errors import USAGE, print_error
from riglog.cli.options import json_option, profile_option, sqlite_name
from riglog.cli.report import print_next_steps, report
from riglog.cli.signals import Interruption, run

if TYPE_CHECKING:
    from riglog.plugin import DriverFault, Registry
    from riglog.rig import Outcome
    from riglog.sinks.sqlite.blocks import Profile

RATE_HZ = 2.0
QUERY = "SELECT device, parameter, AVG(value) FROM samples GROUP BY device, parameter"


@click.command("demo", short_help="Record simulated instruments of every installed plugin.")
@click.option("--duration", default="5s", show_default=True, help="Duration of the recording.")
@click.option(
    "-o",
    "--out",
    default="riglog-demo.sqlite",
    show_default=True,
    type=click.Path(readable=False),
    callback=sqlite_name,
    help="SQLite file to record into.",
)
@profile_option
@click.option("--driver", help="Only the instruments of this driver.")
@json_option
def command(duration: str, out: str, profile: "Profile | None", driver: str | None, as_json: bool) -> int:
    """Simulate instruments of every installed plugin on pseudo-terminals and record them."""
    return run(partial(_demo, duration, out, profile or "desk", driver, as_json))


async def _demo(
    duration: str, out: str, profile: "Profile", driver: str | None, as_json: bool, interruption: Interruption
) -> int | Callable[[], int]:
    from riglog.cli.recording import record_with_progress
    from riglog.config import RigConfig, seconds
    from riglog.manager import resolve_device
    from riglog.plugin import installed
    from riglog.sinks import SqliteSink

    registry = installed()
    tables = registry.demo_tables(_warn)
    if driver is not None:
        tables = [table for table in tables if table["driver"] == registry.driver(driver).name]
        if not tables:
            print_error(f"driver {driver} has no simulated instruments", "Its method demo() returns none")
            return USAGE
    tables = await _usable(registry, tables)
    if not tables:
        hint = "Install the vendor plugins: pip install 'riglog[all]'"
        print_error("no plugin with simulated instruments is installed", hint)
        return USAGE
    length = seconds(duration, "--duration")
    async with AsyncExitStack() as stack:
        buses = dict.fromkeys(table["port"] for table in tables if "port" in table)
        ports = {bus: await _simulate(stack, bus, tables) for bus in buses}
        for table in tables:
            if "port" in table:
                table["port"] = ports[table["port"]]
        specs = tuple(resolve_device(registry, table) for table in tables)
        rig = RigConfig(name="demo", rate_hz=RATE_HZ, specs=specs, sinks=(SqliteSink(out, profile=profile),))
        outcome = await record_with_progress(rig, length, interruption)
    return partial(_report, outcome, out, as_json)


def _report(outcome: "Outcome", out: str, as_json: bool) -> int:
    code = report(outcome, as_json=as_json)
    if not as_json and not code:
        print_next_steps(out, f'sqlite3 {out} "{QUERY}"')
    return code


async def _usable(registry: "Registry", tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tables of the drivers that can open all their instruments; for the others there is a warning."""
    from riglog.manager import Manager, resolve_device
    from riglog.plugin.guard import catch_faults

    usable: set[str] = set()

    async def try_driver(name: str) -> None:
        with catch_faults(registry.driver(name), "opening its instruments", _warn):
            async with Manager(registry=registry) as rig:
                for table in tables:
                    if table["driver"] == name:
                        simulated = {"port": f"sim:{table['port']}"} if "port" in table else {}
                        await rig.add_spec(resolve_device(registry, table | simulated))
            usable.add(name)

    async with anyio.create_task_group() as tasks:
        for name in dict.fromkeys(table["driver"] for table in tables):
            tasks.start_soon(try_driver, name)
    return [table for table in tables if table["driver"] in usable]


def _warn(fault: "DriverFault") -> None:
    print_warning(str(fault))


async def _simulate(stack: AsyncExitStack, bus: str, tables: Iterable[dict[str, Any]]) -> str:
    """Simulate all devices of a bus; return the port to open."""
    from riglog.manager import resolve_device
    from riglog.plugin import installed
    from riglog.simulation import FaultyWire, SimulatedBus
    from riglog.simulation.serve import serve_pty

    if sys.platform == "win32":  # no pseudo-terminals: simulate within the process
        return f"sim:{bus}"
    on_bus = [table | {"port": f"sim:{bus}"} for table in tables if table.get("port") == bus]
    simulated = SimulatedBus(resolve_device(installed(), table).simulator() for table in on_bus)
    server = await stack.enter_async_context(serve_pty(FaultyWire(simulated)))
    return server.path
