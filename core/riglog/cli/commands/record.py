"""``riglog record``: a rig file into its sinks."""

from functools import partial
from typing import TYPE_CHECKING

import click

from riglog.cli.console import count, notes
from riglog.cli.options import json_option
from riglog.cli.report import report
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError

if TYPE_CHECKING:
    from riglog.config import RigConfig
    from riglog.model import Run


@click.command("record", short_help="Record a rig until its duration is over, or Ctrl-C.")
@click.argument("rig", type=click.Path(readable=False))
@click.option("--duration", envvar="RIGLOG_DURATION", help="How long: 90, 10m, 72h. Default: what the rig file says.")
@click.option(
    "--out", envvar="RIGLOG_OUT", type=click.Path(readable=False), help="Record into this SQLite file instead."
)
@click.option(
    "--max-gap", type=click.FloatRange(min=0), help="Exit with 1 if a channel has no value for so many seconds."
)
@click.option("--resume", is_flag=True, help="Go on with the newest run of this rig; the hole stays visible.")
@json_option
def command(rig: str, duration: str | None, out: str | None, max_gap: float | None, resume: bool, as_json: bool) -> int:
    """Record the rig described in the file RIG until its duration is over, or until Ctrl-C or SIGTERM."""
    return run(partial(_record, rig, duration, out, max_gap, resume, as_json))


async def _record(
    path: str,
    duration: str | None,
    out: str | None,
    max_gap: float | None,
    resume: bool,
    as_json: bool,
    interruption: Interruption,
) -> int:
    from riglog.cli.recording import record_rig
    from riglog.config import load_rig, seconds

    rig = load_rig(path, out=out)
    length = rig.duration if duration is None else seconds(duration, "--duration")
    until = "until Ctrl-C" if length is None else f"for {length:g} s"
    notes().print(f"[dim]{rig.name}: {count(len(rig.specs), 'device')} at {rig.rate_hz:g} Hz, {until}[/]")
    earlier = _run_to_resume(rig) if resume else None
    outcome = await record_rig(rig, length, interruption, resumed_from=earlier)
    return report(outcome, as_json=as_json, max_gap=max_gap)


def _run_to_resume(rig: "RigConfig") -> "Run":
    from riglog.recordings import last_run
    from riglog.sinks import SqliteSink

    for sink in rig.sinks:
        if isinstance(sink, SqliteSink):
            earlier = last_run(sink.path, rig.name)
            notes().print(f"[dim]resuming {earlier.id}[/]")
            return earlier
    raise ConfigError("only a recording in SQLite can be resumed", hint='add a [[sink]] of type = "sqlite"')
