"""``riglog record``: records a rig file into its sinks."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from riglog.cli.console import messages, plain, plural, print_warning
from riglog.cli.options import json_option, profile_option, reason_option, set_profile, sqlite_name
from riglog.cli.report import print_next_steps, report
from riglog.cli.signals import Interruption, run
from riglog.errors import ConfigError

if TYPE_CHECKING:
    from riglog.config import RigConfig
    from riglog.rig import Outcome
    from riglog.sinks.sqlite.blocks import Profile


class Start(NamedTuple):
    """Which devices must be there at the start, what alarms may do, and why it is recorded."""

    require_all: bool
    wait: bool
    allow_commands: bool
    reason: str | None


@click.command("record", short_help="Record a rig.")
@click.argument("rig", type=click.Path(readable=False))
@click.option(
    "--duration",
    envvar="RIGLOG_DURATION",
    help="Duration, for example 90, 10m or 72h. Default: from the rig file. With --resume: counted from now.",
)
@click.option(
    "-o",
    "--out",
    envvar="RIGLOG_OUT",
    type=click.Path(readable=False),
    callback=sqlite_name,
    help="Record into this SQLite file instead of the sinks of the rig file.",
)
@profile_option
@click.option(
    "--max-gap",
    type=click.FloatRange(min=0),
    help="Exit with code 1 if a channel had no value for more than this many seconds.",
)
@click.option(
    "--resume", is_flag=True, help="Continue the latest run of this rig, if there is one; the gap in between is kept."
)
@click.option(
    "--accept-identity",
    multiple=True,
    metavar="NAME",
    help="The instrument of this device was replaced on purpose: start a new run with it; may be repeated.",
)
@click.option(
    "--require-all",
    is_flag=True,
    help="Record nothing, and exit with code 3, if a device cannot be opened. Default: start without it, and add it"
    " as soon as its instrument responds.",
)
@click.option("--wait", is_flag=True, help="Start also if no device can be opened, and wait for all of them.")
@click.option("--allow-commands", is_flag=True, help="Let the alarms of the rig start the programs that it names.")
@click.option(
    "--rotate", metavar="SIZE|TIME", help="Begin a further file after so many bytes or at this time: 100MB, 1d, 1h."
)
@reason_option
@json_option
def command(
    rig: str,
    duration: str | None,
    out: str | None,
    profile: "Profile | None",
    max_gap: float | None,
    resume: bool,
    accept_identity: tuple[str, ...],
    require_all: bool,
    wait: bool,
    allow_commands: bool,
    rotate: str | None,
    reason: str | None,
    as_json: bool,
) -> int:
    """Record the rig described in RIG, until the duration has elapsed or Ctrl-C or SIGTERM is received.

    The exit code is 1 if a device was absent until the end, or gave no value at all.
    """
    if require_all and wait:
        raise ConfigError("--wait: cannot be combined with --require-all", hint="Remove one of them")
    start = Start(require_all=require_all, wait=wait, allow_commands=allow_commands, reason=reason)
    return run(partial(_record, rig, duration, out, rotate, profile, max_gap, resume, accept_identity, start, as_json))


async def _record(
    path: str,
    duration: str | None,
    out: str | None,
    rotate: str | None,
    profile: "Profile | None",
    max_gap: float | None,
    resume: bool,
    accept_identity: tuple[str, ...],
    start: "Start",
    as_json: bool,
    interruption: Interruption,
) -> Callable[[], int]:
    from riglog.cli.recording import record_with_progress
    from riglog.config import load_rig, seconds
    from riglog.rig import ResumePlan, check_accepted, check_commands, plan_resume

    rig = load_rig(path, out=out, rotate=rotate)
    set_profile(rig.sinks, profile)
    check_accepted(rig, accept_identity)
    check_commands(rig, allow_commands=start.allow_commands)
    plan = plan_resume(rig) if resume and not accept_identity else ResumePlan()
    length = plan.remaining(rig.duration) if duration is None else seconds(duration, "--duration")
    until = "until Ctrl-C" if length is None else f"for {length:g} s"
    devices, sinks = plural(len(rig.specs), "device"), plain(", ".join(rig.destinations))

    def announce() -> None:
        text = f"{rig.name}: recording {devices} at {rig.rate_hz:g} Hz {until}, into {sinks}"
        messages().print(f"[dim]{text}[/]", soft_wrap=True)
        if accept_identity:
            accepted = plain(", ".join(accept_identity))
            messages().print(f"[dim]a new run starts: the identity of {accepted} is accepted[/]")
        elif plan.stored is not None:
            messages().print(f"[dim]resuming run {plan.stored.run.id}[/]")
        elif plan.follows is not None:
            print_warning(f"a new run starts; {plan.follows}")
        elif resume:
            messages().print("[dim]no earlier run: a new run starts[/]")

    outcome = await record_with_progress(
        rig,
        length,
        interruption,
        announce,
        resume=resume,
        accept_identity=accept_identity,
        require_all=start.require_all,
        wait=start.wait,
        reason=start.reason,
        allow_commands=start.allow_commands,
    )
    return partial(_report, outcome, rig, as_json, max_gap)


def _report(outcome: "Outcome", rig: "RigConfig", as_json: bool, max_gap: float | None) -> int:
    from riglog.sinks import SqliteSink

    code = report(outcome, as_json=as_json, max_gap=max_gap)
    recording = next((sink.path for sink in rig.sinks if isinstance(sink, SqliteSink)), None)
    if not as_json and recording is not None and outcome.summary.samples:
        print_next_steps(str(recording))
    return code
