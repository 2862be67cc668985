"""``riglog plot``: a picture of a recording."""

from pathlib import Path

import click

from riglog.cli.console import messages, plain
from riglog.cli.options import Duration
from riglog.errors import ConfigError


@click.command("plot", short_help="Draw a picture of a recording.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    type=click.Path(readable=False),
    help="Picture: .png, .svg or .pdf. Default: the name of FILE with the ending .png, in the current directory.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier picture in the same format; nothing else.")
@click.option("--run", help="Only the run with this id, or the runs with this name.")
@click.option(
    "--channel",
    "channels",
    metavar="PATTERN",
    multiple=True,
    help="Only channels such as oven.process_value or 'oven.*'; may be repeated.",
)
@click.option("--from", "start", metavar="TIME", help="Only rows received at or after this time (ISO 8601, UTC).")
@click.option("--to", "end", metavar="TIME", help="Only rows received before this time (ISO 8601, UTC).")
@click.option("--last", type=Duration(), help="Only so long before the last row: 90, 10m, 2h.")
@click.option("--compare", metavar="RUN RUN", nargs=2, help="Two runs over the time since their start.")
@click.option(
    "--align",
    metavar="EVENT",
    help="With --compare: since the first event of this kind, such as alarm_raised or note:TEXT.",
)
def command(
    files: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    run: str | None,
    channels: tuple[str, ...],
    start: str | None,
    end: str | None,
    last: float | None,
    compare: tuple[str, str] | None,
    align: str | None,
) -> None:
    """Draw the recording FILE: one panel per unit, with gaps, notes, events and alarms. Times are local.

    A long time is drawn as a band from the lowest to the highest value, and the mean. The file may be growing.
    """
    from riglog.recordings import read
    from riglog.recordings.charts.picture import check_picture, draw

    if last is not None and (start or end):
        raise ConfigError("--last: cannot be combined with --from and --to", hint="Remove one of them")
    if compare and run:
        raise ConfigError("--compare: cannot be combined with --run", hint="Remove --run")
    out = out or f"{Path(files[0]).stem}.png"
    check_picture(out, overwrite=overwrite)
    rows = read(files[0] if len(files) == 1 else files, run=run, start=start, end=end)
    named: list[str] = []
    if channels:
        from riglog.config.recorded_names import recorded_channels  # with it the drivers' side of riglog is loaded

        named = recorded_channels(files, channels)
    chart = rows.chart(channels=named, last_s=last, compare=compare or None, align=align)
    draw(chart).save(out, overwrite=overwrite)
    messages().print(f"[dim]picture written to {plain(out)}[/]", soft_wrap=True)
