"""``riglog gaps``: where values are missing, how long and why."""

import click

from riglog.cli.console import add, clock, count, data, print_json, table
from riglog.cli.options import json_option, refuse_nothing
from riglog.recordings import Gap, GapFinder, read


@click.command("gaps", short_help="Show where values are missing, for how long and why.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--run", help="Only the run of this id, or the runs of this name.")
@click.option("--device", help="Only this device.")
@click.option("--longer", default=0.0, type=click.FloatRange(min=0), help="Only gaps longer than so many seconds.")
@json_option
def command(file: str, run: str | None, device: str | None, longer: float, as_json: bool) -> None:
    """Show the availability of every channel of the recording FILE, and each gap with its reason."""
    finder = GapFinder()
    found = [gap for gap in finder.find(read(file, run=run, device=device)) if gap.seconds >= longer]
    if not finder.channels:
        refuse_nothing(file, run=run, device=device)
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
                "started_at": gap.started_at,
                "ended_at": gap.ended_at,
                "seconds": gap.seconds,
                "slots": gap.slots,
                "first_cause": gap.first_cause,
            }
            for gap in found
        ]
        print_json({"channels": channels, "gaps": gaps})
        return
    _print(finder, found)


def _print(finder: GapFinder, found: list[Gap]) -> None:
    for run in dict.fromkeys(key.run for key in finder.channels):
        availability = table("channel", "due", "values", "availability", "gaps", title=run)
        for key, seen in finder.channels.items():
            if key.run == run:
                add(availability, key, seen.slots_due, seen.slots_with_value, f"{seen.share:.3%}", seen.gaps)
        data().print(availability)
        data().print()
    if found:
        listed = table("begins (UTC)", "channel", "without a value")
        for gap in found:
            told = f"{gap.seconds:.3f} s, {count(gap.slots, 'slot')}: {gap.first_cause}"
            add(listed, clock(gap.started_at), gap.channel, told)
        data().print(listed)
