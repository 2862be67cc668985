"""``riglog gaps``: where values are missing, how long and why."""

import click

from riglog.cli.console import data, print_json
from riglog.cli.options import json_option
from riglog.store import GapFinder, read


@click.command("gaps")
@click.argument("file", type=click.Path())
@click.option("--run", help="Only the run of this id, or the runs of this name.")
@click.option("--device", help="Only this device.")
@click.option("--longer", default=0.0, type=click.FloatRange(min=0), help="Only gaps longer than so many seconds.")
@json_option
def command(file: str, run: str | None, device: str | None, longer: float, as_json: bool) -> None:
    """Show the availability of every channel of the recording FILE, and each gap with its reason."""
    from rich.markup import escape
    from rich.table import Table

    finder = GapFinder()
    found = [gap for gap in finder.find(read(file, run=run, device=device)) if gap.seconds >= longer]
    if as_json:
        channels = [
            {**key._asdict(), "due": seen.due, "values": seen.values, "availability": seen.share, "gaps": seen.gaps}
            for key, seen in finder.channels.items()
        ]
        gaps = [
            {
                **gap.channel._asdict(),
                "begins_at": gap.begins_at,
                "ends_at": gap.ends_at,
                "seconds": gap.seconds,
                "slots": gap.slots,
                "reason": gap.reason,
            }
            for gap in found
        ]
        print_json({"channels": channels, "gaps": gaps})
        return
    availability = Table("run", "channel", "due", "values", "availability", "gaps")
    for key, seen in finder.channels.items():
        cells = [key.run, escape(str(key)), str(seen.due), str(seen.values), f"{seen.share:.3%}", str(seen.gaps)]
        availability.add_row(*cells)
    data().print(availability)
    if found:
        table = Table("channel", "begins (UTC)", "seconds", "slots", "reason")
        for gap in found:
            cells = [escape(str(gap.channel)), gap.begins_at, f"{gap.seconds:.3f}", str(gap.slots), escape(gap.reason)]
            table.add_row(*cells)
        data().print(table)
