"""``riglog replay``: a recorded run, served as a simulator."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import click

from riglog.cli.console import add_row, messages, plain, print_json, print_warning, results, table
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.options import json_option
from riglog.cli.screen import STDOUT, json_printable
from riglog.cli.signals import Interruption, run

if TYPE_CHECKING:
    from riglog.rig.replaying import ReplayedRun


@click.command("replay", short_help="Serve a recorded run as a simulator.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--run", "run_name", metavar="RUN", help="Id or name of a run. Default: the newest one with bytes.")
@click.option("--tcp", is_flag=True, help="Listen on free TCP ports of this computer instead of pseudo-terminals.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    help="How many times as fast as it was recorded. Default: 1.",
)
@click.option(
    "--rig",
    metavar="OUT.toml",
    type=click.Path(readable=False),
    help="Write a rig file that records from these ports. It must not exist.",
)
@json_option
def command(file: str, run_name: str | None, tcp: bool, speed: float, rig: str | None, as_json: bool) -> int:
    """Serve the ports of a run in the SQLite recording FILE: each request gets the reply of then.

    Prints one line of JSON for each port when all are ready, and serves until stopped; then it shows how many requests
    were served, and how many were never sent then. Exit code 1: there are some of these.
    """
    return run(lambda interruption: _replay(interruption, file, run_name, tcp, speed, rig, as_json))


async def _replay(
    interruption: Interruption, file: str, run_name: str | None, tcp: bool, speed: float, rig: str | None, as_json: bool
) -> Callable[[], int]:
    import msgspec

    from riglog.cli.rig_text import create_rig_file, refuse_existing
    from riglog.rig.replaying import read_replay, rig_for
    from riglog.simulation.serve import serve_pty, serve_tcp

    if rig is not None:
        refuse_existing(rig)
    replayed = read_replay(file, run=run_name, speed=speed)
    stopped = anyio.Event()
    interruption.stop = stopped.set
    async with AsyncExitStack() as stack:
        ports: dict[str, str] = {}
        for name, port in replayed.ports.items():
            if tcp:
                ports[name] = await stack.enter_async_context(serve_tcp(port))
            else:
                ports[name] = (await stack.enter_async_context(serve_pty(port))).path
        if rig is not None:
            create_rig_file(rig, rig_for(replayed, ports, f"{replayed.name}-replayed.sqlite"))
        for name, present in ports.items():
            line = {"port": present, "recorded": name, "devices": replayed.devices_of(name)}
            line["transactions"] = replayed.ports[name].recorded  # type: ignore[assignment]
            STDOUT.write(json_printable(msgspec.json.encode(line).decode()) + "\n")
        for device in replayed.without_port:
            print_warning(f"{device}: has no port, and cannot be replayed")
        messages().print("[dim]replay ready; press Ctrl-C to stop[/]")
        await stopped.wait()
    return lambda: _show(replayed, as_json)


def _show(replayed: "ReplayedRun", as_json: bool) -> int:
    """Show what was requested of each port."""
    ports = replayed.ports.items()
    code = INCOMPLETE if any(port.unknown or port.surplus for _, port in ports) else DONE
    if as_json:
        print_json(
            {
                name: {"served": port.served, "left": port.left, "unknown": port.unknown, "surplus": port.surplus}
                for name, port in ports
            }
        )
        return code
    shown = table("port", "served", "left", "never sent then", "more often than then")
    for name, port in ports:
        add_row(shown, plain(name), port.served, port.left, port.unknown, port.surplus)
    results().print(shown)
    return code
