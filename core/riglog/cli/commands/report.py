"""``riglog report``: a recording as one HTML page."""

from pathlib import Path

import click

from riglog.cli.console import messages, plain, plural, progress_bar
from riglog.recordings import Selection


@click.command("report", short_help="Write an HTML report of a recording.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    type=click.Path(readable=False),
    help="HTML file. Default: the name of FILE with the ending .html, in the current directory.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier report; nothing else.")
@click.option("--run", help="Only the run with this id, or the runs with this name.")
@click.option("--from", "start", metavar="TIME", help="Only rows received at or after this time (ISO 8601, UTC).")
@click.option("--to", "end", metavar="TIME", help="Only rows received before this time (ISO 8601, UTC).")
def command(
    files: tuple[str, ...], out: str | None, overwrite: bool, run: str | None, start: str | None, end: str | None
) -> None:
    """Write a report of the SQLite recording FILE: runs, charts, channels, gaps, alarms, notes, events, instruments.

    Several files, such as those of a rotation, are one recording. The page is a single HTML file and loads nothing from
    elsewhere. Times in it are local.
    """
    from riglog.recordings.reports import write_report

    out = out or f"{Path(files[0]).stem}.html"
    with progress_bar("reading") as update:
        rows = write_report(
            files, out, selection=Selection(run, start=start, end=end), overwrite=overwrite, progress=update
        )
    messages().print(f"[dim]report of {plural(rows, 'row')} written to {plain(out)}[/]", soft_wrap=True)
