"""``riglog forward``: a recording, also one that still grows, into a central PostgreSQL database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click
from rich.markup import escape

from riglog.cli.console import count, notes, print_json
from riglog.cli.errors import DONE
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.sinks.postgres import ForwardProgress, forward
from riglog.sinks.postgres.forwarder import SCHEMA


@click.command("forward", short_help="Ship a recording into a central PostgreSQL database.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--to", "url", required=True, envvar="RIGLOG_FORWARD_TO", metavar="postgresql://…", help="The database.")
@click.option("--schema", default=SCHEMA, show_default=True, help="Where the tables are, or are made.")
@click.option("--follow", is_flag=True, help="Go on when everything is shipped, until Ctrl-C.")
@click.option("--again", is_flag=True, help="Begin with the oldest row, whatever was shipped before.")
@click.option("--patience", type=float, help="Seconds to wait for a database that is away. Default: 60, or no end.")
@json_option
def command(file: str, url: str, schema: str, follow: bool, again: bool, patience: float | None, as_json: bool) -> int:
    """Ship the rows of the recording FILE that are not in the database yet, oldest first.

    May be stopped and started at any time: nothing is lost and nothing is there twice.
    """
    if patience is None and not follow:
        patience = 60.0
    return run(partial(_forward, file, url, schema, follow, again, patience, as_json))


async def _forward(
    file: str,
    url: str,
    schema: str,
    follow: bool,
    again: bool,
    patience: float | None,
    as_json: bool,
    interruption: Interruption,
) -> int:
    figures, heard = ForwardProgress(), False
    try:
        with _progress() as tell:

            def hear(now: ForwardProgress) -> None:
                nonlocal figures, heard
                figures, heard = now, True
                tell(now)

            await forward(
                file, url, schema=schema, follow=follow, restart=again, give_up_after=patience, on_progress=hear
            )
    finally:
        if as_json:
            print_json(figures)
        elif heard:
            notes().print(f"[dim]{count(figures.samples, 'row')} shipped, {figures.remaining} to go[/]")
    return DONE


@contextmanager
def _progress() -> Iterator[Callable[[ForwardProgress], None]]:
    """A bar where somebody is looking, and a line for every change of state."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = notes()
    trouble: str | None = None
    columns = (TextColumn("forwarding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def tell(now: ForwardProgress) -> None:
            nonlocal trouble
            if now.last_error and not trouble:
                progress.console.print(f"[yellow]waiting:[/] {escape(now.last_error)}", soft_wrap=True)
            elif trouble and not now.last_error:
                progress.console.print("[dim]the database is back[/]")
            trouble = now.last_error
            progress.update(
                bar, completed=now.samples, total=None if now.remaining is None else now.samples + now.remaining
            )

        yield tell
