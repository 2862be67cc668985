"""``riglog gaps``: where values are missing, for how long, and why."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from riglog.cli.console import add_row, print_json, results, table
from riglog.cli.local_time import local_column
from riglog.cli.options import RenamedOption, json_option, require_matching_rows
from riglog.recordings import Absence, AbsenceFinder, Availability, EventRow, Gap, read_events
from riglog.recordings.gaps import Key
from riglog.recordings.stored_gaps import find_gaps
from riglog.sinks.formats import format_of
from riglog.sinks.sqlite.reader import SQLITE_FORMAT


@click.command("gaps", short_help="Show gaps in the data: where, how long and why.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
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
def command(files: tuple[str, ...], run: str | None, device: str | None, min_duration: float, as_json: bool) -> None:
    """Show the availability of every channel of the recording FILE, and every gap with its cause.

    Several files, such as those of a rotation, are one recording. The cause is that of the first row without a value.
    A device that was absent before its channels were known has a gap without channels.
    """
    absences = AbsenceFinder(_events(files, run))
    gaps = find_gaps(files, absences, run=run, device=device)
    found = [gap for gap in gaps.gaps if gap.seconds >= min_duration]
    absent = [
        absence for absence in absences.found() if absence.seconds >= min_duration and device in (None, absence.device)
    ]
    if not gaps.channels and not absent:
        require_matching_rows(files[0], run=run, device=device)
    if as_json:
        channels = [
            {
                **key._asdict(),
                "slots_due": seen.slots_due,
                "slots_with_value": seen.slots_with_value,
                "availability": seen.share,
                "gaps": seen.gaps,
            }
            for key, seen in gaps.channels.items()
        ]
        listed = [
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
        absences_found = [
            {
                "run": absence.run,
                "device": absence.device,
                "begins_at": absence.started_at,
                "ends_at": absence.ended_at,
                "seconds": absence.seconds,
                "cause": absence.cause,
            }
            for absence in absent
        ]
        print_json({"channels": channels, "gaps": listed, "absences": absences_found})
        return
    _print(gaps.channels, found, absent)


def _events(files: Sequence[str], run: str | None) -> Iterable[EventRow]:
    """Return the events, where a recording has them."""
    with_events = [file for file in files if format_of(Path(file)) is SQLITE_FORMAT]
    return read_events(with_events, run=run) if with_events else ()


def _print(channels: Mapping[Key, Availability], found: list[Gap], absent: list[Absence]) -> None:
    for run in dict.fromkeys(key.run for key in channels):
        availability = table("channel", "slots due", "with value", "availability", "gaps", title=run)
        for key, seen in channels.items():
            if key.run == run:
                add_row(availability, key, seen.slots_due, seen.slots_with_value, f"{seen.share:.3%}", seen.gaps)
        results().print(availability)
        results().print()
    if found or absent:
        starts = [gap.started_at for gap in found] + [absence.started_at for absence in absent]
        heading, texts = local_column("start", starts)
        listed = table(heading, "channel", "duration", "slots", "cause")
        for gap, start in zip(found, texts, strict=False):
            add_row(listed, start, gap.channel, f"{gap.seconds:.3f} s", gap.slots, gap.first_cause)
        for absence, start in zip(absent, texts[len(found) :], strict=True):
            add_row(listed, start, absence.device, f"{absence.seconds:.3f} s", "-", absence.cause)
        results().print(listed)
