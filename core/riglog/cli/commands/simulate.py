"""``riglog simulate``: simulates instruments on a port, for riglog or any other program."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import click

from riglog.cli.console import messages
from riglog.cli.options import pairs
from riglog.cli.screen import STDOUT, json_printable
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError

if TYPE_CHECKING:
    from riglog.simulation import SimulatedPeer


@click.command("simulate", short_help="Simulate instruments on a port.")
@click.argument("driver")
@click.option("--protocol", help="Protocol. Default: the first protocol of the driver.")
@click.option("--address", "addresses", multiple=True, help="Bus address of a simulated instrument; may be repeated.")
@click.option(
    "--link", type=click.Path(readable=False), help="Create a symbolic link to the pseudo-terminal at this path."
)
@click.option("--tcp", metavar="HOST:PORT", help="Listen on a TCP port instead of a pseudo-terminal.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=RATE",
    help="Inject this fault into a fraction of the replies (0 to 1); may be repeated. KIND: drop, corrupt, truncate,"
    " late, garbage, glue, foreign, split, unplug.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PARAM=VALUE",
    help="Initial state of the simulated instrument; may be repeated.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other key of a [[device]] table; may be repeated.",
)
@click.option(
    "--master",
    type=click.FloatRange(min=0, min_open=True),
    metavar="HZ",
    help="Also simulate a master that polls the instruments so often; the port is for `riglog tap`.",
)
@click.option("--seed", type=int, help="Seed of the random faults, for repeatable runs.")
def command(**arguments: Any) -> int:
    """Simulate instruments of DRIVER on a pseudo-terminal or TCP port until stopped.

    Prints one line of JSON with the port name when the simulator is ready.
    """
    return run(lambda interruption: _simulate(interruption, **arguments))


async def _simulate(
    interruption: Interruption,
    driver: str,
    protocol: str | None,
    addresses: tuple[str, ...],
    link: str | None,
    tcp: str | None,
    faults: tuple[str, ...],
    settings: tuple[str, ...],
    options: tuple[str, ...],
    master: float | None,
    seed: int | None,
) -> int:
    import msgspec

    from riglog.manager import resolve_device
    from riglog.plugin import Driver, installed
    from riglog.simulation import FaultyWire, SimulatedBus, SimulatedPeer, parse_faults

    if not isinstance(installed().driver(driver), Driver):
        raise ConfigError(f"driver {driver!r} has no simulator: its devices have no port")
    table = {"driver": driver, **pairs(options, "--option")}
    if protocol is not None:
        table["protocol"] = protocol
    instruments = [{"address": address} for address in addresses] or [{}]
    specs = [
        resolve_device(
            installed(), table | instrument | {"name": f"simulated-{number}", "port": "sim:bus"}, "option", strict=False
        )
        for number, instrument in enumerate(instruments)
    ]
    simulators = [spec.simulator() for spec in specs]
    for name, value in pairs(settings, "--set").items():
        for simulator in simulators:
            simulator.set(name, value)
    wire = FaultyWire(SimulatedBus(simulators), rates=parse_faults(faults), seed=seed)
    description = {
        "driver": driver,
        "protocol": specs[0].protocol,
        "addresses": [spec.address for spec in specs],
    }

    def announce(port: str) -> None:
        STDOUT.write(json_printable(msgspec.json.encode({"port": port, **description}).decode()) + "\n")

    peer: SimulatedPeer = wire
    async with anyio.create_task_group() as tasks:
        if master is not None:
            from riglog.manager.simulated_master import OverheardLine, poll_as_master

            peer = line = OverheardLine(wire)
            tasks.start_soon(poll_as_master, specs, line, master)
        await _serve(peer, tcp, link, announce)
    return 0


async def _serve(peer: "SimulatedPeer", tcp: str | None, link: str | None, announce: Callable[[str], None]) -> None:
    """Serve until cancelled."""
    from riglog.manager.simulated_master import OverheardLine
    from riglog.simulation.serve import serve_pty, serve_tcp

    if tcp is not None:
        host, _, number = tcp.rpartition(":")
        if not number.isdecimal() or int(number) > 65_535:
            hint = "For example --tcp 127.0.0.1:4001"
            raise ConfigError(f"--tcp: invalid value {tcp!r}; expected HOST:PORT", hint=hint)
        async with serve_tcp(peer, host=host or "127.0.0.1", port=int(number)) as port:
            announce(port)
            await anyio.sleep_forever()
    async with serve_pty(peer, link=link) as server:
        if isinstance(peer, OverheardLine):
            peer.on_output = server.wake
        announce(str(server.link or server.path))
        messages().print("[dim]simulator ready; press Ctrl-C to stop[/]")
        await anyio.sleep_forever()
