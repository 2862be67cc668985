"""``riglog gaps``: where values are missing, for how long, and why."""

import click

from riglog.cli.console import add_row, format_time, print_json, results, table
from riglog.cli.options import RenamedOption, json_option, require_matching_rows
from riglog.recordings import Gap, GapFinder, read


@click.command("gaps", short_help="Show gaps in the data: where, how long and why.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--run", help="Only the run with this id, or the runs with this name.")
@click.option("--device", help="Only this device.")
@click.option(
    "--min-duration",
    "--longer",
    "min_duration",
    cls=RenamedOption,
    default=0.0,
    type=click.FloatRange(min=0),
    help="Only gaps of at least this many seconds.",
)
@json_option
def command(file: str, run: str | None, device: str | None, min_duration: float, as_json: bool) -> None:
    """Show the availability of every channel of the recording FILE, and every gap with its cause.

    The cause is that of the first row without a value.
    """
    finder = GapFinder()
    found = [gap for gap in finder.find(read(file, run=run, device=device)) if gap.seconds >= min_duration]
    if not finder.channels:
        require_matching_rows(file, run=run, device=device)
    if as_json:
        channels = [
            {
                **key._asdict(),
                "slots_due": seen.slots_due,
                "slots_with_value": seen.slots_with_value,
                "availability": seen.share,
                "gaps": seen.gaps,
            }
            for key, seen in finder.channels.items()
        ]
        gaps = [
            {
                **gap.channel._asdict(),
                "begins_at": gap.started_at,
                "ends_at": gap.ended_at,
                "seconds": gap.seconds,
                "slots": gap.slots,
                "cause": gap.first_cause,
            }
            for gap in found
        ]
        print_json({"channels": channels, "gaps": gaps})
        return
    _print(finder, found)


def _print(finder: GapFinder, found: list[Gap]) -> None:
    for run in dict.fromkeys(key.run for key in finder.channels):
        availability = table("channel", "slots due", "with value", "availability", "gaps", title=run)
        for key, seen in finder.channels.items():
            if key.run == run:
                add_row(availability, key, seen.slots_due, seen.slots_with_value, f"{seen.share:.3%}", seen.gaps)
        results().print(availability)
        results().print()
    if found:
        listed = table("start (UTC)", "channel", "duration", "slots", "cause")
        for gap in found:
            add_row(
                listed, format_time(gap.started_at), gap.channel, f"{gap.seconds:.3f} s", gap.slots, gap.first_cause
            )
        results().print(listed)
