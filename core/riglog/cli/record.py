"""``riglog record``: a rig file into its sinks."""

from functools import partial

import click

from riglog.cli.console import notes
from riglog.cli.options import json_option
from riglog.cli.report import report
from riglog.cli.running import Interruption, run


@click.command("record")
@click.argument("rig", type=click.Path())
@click.option("--duration", envvar="RIGLOG_DURATION", help="How long: 90, 10m, 72h. Default: what the rig file says.")
@click.option("--out", envvar="RIGLOG_OUT", type=click.Path(), help="Record into this SQLite file instead.")
@click.option(
    "--max-gap", type=click.FloatRange(min=0), help="Exit with 1 if a channel has no value for so many seconds."
)
@json_option
def command(rig: str, duration: str | None, out: str | None, max_gap: float | None, as_json: bool) -> int:
    """Record the rig described in the file RIG until its duration is over, or until Ctrl-C or SIGTERM."""
    return run(partial(_record, rig, duration, out, max_gap, as_json))


async def _record(
    path: str, duration: str | None, out: str | None, max_gap: float | None, as_json: bool, interruption: Interruption
) -> int:
    from riglog.cli.session import record_rig
    from riglog.config import load_rig, seconds

    rig = load_rig(path, out=out)
    length = rig.duration if duration is None else seconds(duration, "--duration")
    notes().print(f"[dim]{rig.name}: {len(rig.plans)} devices at {rig.rate_hz:g} Hz, ", end="", highlight=False)
    notes().print("[dim]until Ctrl-C" if length is None else f"[dim]for {length:g} s", highlight=False)
    return report(await record_rig(rig, length, interruption), as_json=as_json, max_gap=max_gap)
