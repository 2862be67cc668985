"""``riglog simulate``: the far end of the wire, for any program that talks to instruments."""

from typing import Any

import anyio
import click

from riglog.cli.console import notes
from riglog.cli.options import pairs
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError


@click.command("simulate", short_help="Serve simulated instruments on a port.")
@click.argument("driver")
@click.option("--protocol", help="FaultyWire protocol; the driver's first by default.")
@click.option("--address", "addresses", multiple=True, help="Address on the line; may be given several times.")
@click.option("--link", type=click.Path(readable=False), help="Make this path a link to the pseudo-terminal.")
@click.option("--tcp", metavar="HOST:PORT", help="Serve on a TCP port instead of a pseudo-terminal.")
@click.option("--fault", "faults", multiple=True, metavar="KIND=RATE", help="Damage this share of the replies.")
@click.option("--set", "settings", multiple=True, metavar="PARAM=VALUE", help="Set something before serving.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Anything a [[device]] may say.")
@click.option("--seed", type=int, help="Make the faults repeatable.")
def command(**arguments: Any) -> int:
    """Simulate instruments of DRIVER on a pseudo-terminal or TCP port until stopped.

    Prints one JSON line with the port once it is ready.
    """
    return run(lambda interruption: _serve(interruption, **arguments))


async def _serve(
    interruption: Interruption,
    driver: str,
    protocol: str | None,
    addresses: tuple[str, ...],
    link: str | None,
    tcp: str | None,
    faults: tuple[str, ...],
    settings: tuple[str, ...],
    options: tuple[str, ...],
    seed: int | None,
) -> int:
    import msgspec

    from riglog.manager import resolve_device
    from riglog.plugin import installed
    from riglog.simulation import FaultyWire, SimulatedBus, parse_faults
    from riglog.simulation.serve import serve_pty, serve_tcp

    table = {"driver": driver, "port": "sim:", **pairs(options, "--option")}
    if protocol is not None:
        table["protocol"] = protocol
    each = [{"address": address} for address in addresses] or [{}]
    specs = [
        resolve_device(
            installed(), table | one | {"name": f"simulated-{number}", "port": "sim:line"}, "option", strict=False
        )
        for number, one in enumerate(each)
    ]
    simulators = [spec.simulator() for spec in specs]
    for name, value in pairs(settings, "--set").items():
        for simulator in simulators:
            simulator.set(name, value)
    wire = FaultyWire(SimulatedBus(simulators), rates=parse_faults(faults), seed=seed)
    ready = {
        "driver": driver,
        "protocol": specs[0].protocol,
        "addresses": [one.address for one in specs],
    }

    def announce(port: str) -> None:
        print(msgspec.json.encode({"port": port, **ready}).decode(), flush=True)  # noqa: T201

    if tcp is not None:
        host, _, number = tcp.rpartition(":")
        if not number.isdecimal():
            raise ConfigError(f"--tcp {tcp!r} is not HOST:PORT", hint="write --tcp 127.0.0.1:4001")
        async with serve_tcp(wire, host=host or "127.0.0.1", port=int(number)) as port:
            announce(port)
            await anyio.sleep_forever()
    async with serve_pty(wire, link=link) as server:
        announce(str(server.link or server.path))
        notes().print("[dim]serving; Ctrl-C ends it[/]")
        await anyio.sleep_forever()
    return 0
