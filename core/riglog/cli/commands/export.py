"""``riglog export``: a recording as CSV, JSON lines or Parquet."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.markup import escape

from riglog.cli.console import count, notes, print_no_more
from riglog.cli.errors import DONE, USAGE, say_error
from riglog.recordings import EXPORT_FORMATS, Exported, Selection, export


@click.command("export", short_help="Write rows as CSV, JSON lines or Parquet.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "--format", "format_", type=click.Choice(tuple(EXPORT_FORMATS)), help="Default: what --out ends with, or csv."
)
@click.option("--out", type=click.Path(readable=False), help="Default: standard output.")
@click.option("--run", help="Only the run of this id, or the runs of this name.")
@click.option("--device", help="Only this device.")
@click.option("--parameter", help="Only this parameter.")
@click.option("--from", "start", metavar="TIME", help="Only what was received then or later; ISO 8601, UTC.")
@click.option("--to", "end", metavar="TIME", help="Only what was received before.")
@click.option("--wide", is_flag=True, help="One row per tick, one column per channel.")
@click.option("--every", type=click.FloatRange(min=0, min_open=True), help="With --wide: one row per so many seconds.")
def command(
    file: str,
    format_: str | None,
    out: str | None,
    run: str | None,
    device: str | None,
    parameter: str | None,
    start: str | None,
    end: str | None,
    wide: bool,
    every: float | None,
) -> int:
    """Write the rows of the recording FILE, oldest first, in another format."""
    ending = Path(out).suffix.removeprefix(".") if out else ""
    chosen = format_ or (ending if ending in EXPORT_FORMATS else "csv")
    if chosen == "parquet" and out is None:
        say_error("Parquet cannot be printed", "add --out FILE.parquet")
        return USAGE
    selection = Selection(run, device, parameter, start, end)
    target = out or sys.stdout.buffer
    try:
        with _progress(out is not None or not sys.stdout.isatty()) as update:
            done = export(file, target, format=chosen, selection=selection, wide=wide, every=every, progress=update)
        sys.stdout.flush()
    except BrokenPipeError:
        print_no_more()
        return DONE
    _tell(done, out)
    return DONE


@contextmanager
def _progress(alone: bool) -> Iterator[Callable[[float], None]]:
    """A bar, where somebody is looking and the rows do not go to the same screen."""
    console = notes()
    if not (alone and console.is_terminal):
        yield lambda share: None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("exporting", total=1.0)
        yield lambda share: progress.update(bar, completed=share)


def _tell(done: Exported, out: str | None) -> None:
    where = f" in {out}" if out else ""
    rule = f"; a row is {done.every:g} s of time with the last value of each channel in it" if done.every else ""
    notes().print(f"[dim]{count(done.rows, 'row')}{escape(where)}{rule}[/]", soft_wrap=True)
