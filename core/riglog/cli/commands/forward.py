"""``riglog forward``: copies the rows of a recording to a central PostgreSQL database, also while it grows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click

from riglog.cli.console import messages, plain, plural, print_json, print_warning
from riglog.cli.errors import DONE
from riglog.cli.options import Duration, RenamedOption, json_option
from riglog.cli.signals import Interruption, run
from riglog.sinks.postgres import ForwardProgress, forward
from riglog.sinks.postgres.address import unencrypted_warning
from riglog.sinks.postgres.central import check_url
from riglog.sinks.postgres.forwarder import SCHEMA

GIVE_UP_AFTER_SECONDS = 60.0


@click.command("forward", short_help="Forward a recording to a PostgreSQL database.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "--to",
    "url",
    required=True,
    envvar="RIGLOG_FORWARD_TO",
    metavar="postgresql://…",
    help="URL of the database.",
)
@click.option(
    "--schema",
    default=SCHEMA,
    show_default=True,
    help="Database schema of the tables; created if it does not exist.",
)
@click.option("--follow", is_flag=True, help="Keep forwarding new rows until Ctrl-C.")
@click.option(
    "--restart",
    "--again",
    "restart",
    cls=RenamedOption,
    is_flag=True,
    help="Forward all rows again, from the oldest. Existing rows are not duplicated.",
)
@click.option(
    "--give-up-after",
    "--patience",
    "give_up_after",
    cls=RenamedOption,
    type=Duration(),
    help="Stop when the database has been unreachable for this time, for example 90 or 10m. Default: 60;"
    " with --follow never.",
)
@json_option
def command(
    file: str, url: str, schema: str, follow: bool, restart: bool, give_up_after: float | None, as_json: bool
) -> int:
    """Forward the rows of the recording FILE that are not in the database yet, oldest first.

    Can be interrupted and repeated at any time without losing or duplicating rows.
    """
    address = check_url(url)
    if address.unencrypted_host:
        print_warning(unencrypted_warning(address.unencrypted_host))
    if give_up_after is None and not follow:
        give_up_after = GIVE_UP_AFTER_SECONDS
    return run(partial(_forward, file, url, schema, follow, restart, give_up_after, as_json), with_plugins=False)


async def _forward(
    file: str,
    url: str,
    schema: str,
    follow: bool,
    restart: bool,
    give_up_after: float | None,
    as_json: bool,
    interruption: Interruption,
) -> int:
    latest: ForwardProgress | None = None
    try:
        with _progress() as show:

            def update(now: ForwardProgress) -> None:
                nonlocal latest
                latest = now
                show(now)

            await forward(
                file,
                url,
                schema=schema,
                follow=follow,
                restart=restart,
                give_up_after=give_up_after,
                on_progress=update,
            )
    finally:
        if as_json:
            print_json(latest or ForwardProgress())
        elif latest is not None:
            remaining = "an unknown number" if latest.remaining is None else latest.remaining
            messages().print(f"[dim]{plural(latest.samples, 'row')} forwarded, {remaining} remaining[/]")
    return DONE


@contextmanager
def _progress() -> Iterator[Callable[[ForwardProgress], None]]:
    """Show a progress bar on a terminal, and a line per change of state; yield the function that updates them."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = messages()
    failing = False
    columns = (TextColumn("forwarding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def show(now: ForwardProgress) -> None:
            nonlocal failing
            if now.last_error and not failing:
                progress.console.print(f"[yellow]retrying:[/] {plain(now.last_error)}", soft_wrap=True)
            elif failing and not now.last_error:
                progress.console.print("[dim]database reachable again[/]")
            failing = bool(now.last_error)
            total = None if now.remaining is None else now.samples + now.remaining
            progress.update(bar, completed=now.samples, total=total)

        yield show
