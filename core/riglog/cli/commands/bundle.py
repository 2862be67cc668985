"""``riglog bundle``: a recording with all that belongs to it, frozen, with a manifest."""

import click
from msgspec import to_builtins

from riglog.cli.console import messages, plain, plural, print_json, print_warning, progress_bar, results
from riglog.cli.errors import CHANGED, DONE
from riglog.cli.options import json_option
from riglog.cli.sizes import format_bytes

ROWS = ("csv", "jsonl", "parquet", "nc", "none")


@click.command("bundle", short_help="Freeze a recording with a manifest, for an archive.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
@click.option(
    "-o", "--out", type=click.Path(readable=False), help="A new folder, or a file that ends with .zip or .eln."
)
@click.option(
    "--rows", type=click.Choice(ROWS), default="csv", show_default=True, help="Format in which the rows are added."
)
@click.option("--check", is_flag=True, help="Compare the bundle FILE with its manifest. Nothing is written.")
@json_option
def command(files: tuple[str, ...], out: str | None, rows: str, check: bool, as_json: bool) -> int:
    """Write the recording FILE and all that belongs to it into a bundle.

    A bundle has a consistent copy of the recording (it may be growing), a report, the rows, the events, the rig files,
    versions and the state of the seals, each with its SHA-256. Nothing is ever replaced. With --check, exit code 5:
    the bundle is not as it was made.
    """
    if check:
        if len(files) != 1 or out is not None:
            raise click.UsageError("--check takes one bundle, and no --out")
        return _check(files[0], as_json)
    if out is None:
        raise click.UsageError("--out is needed: a new folder, or a file that ends with .zip or .eln")
    from riglog.recordings.bundles import bundle

    with progress_bar("bundling") as update:
        done = bundle(files, out, rows=rows, progress=update)
    for path in done.changed:
        print_warning(f"{path}: not as it was sealed; riglog verify has the details")
    if as_json:
        print_json(to_builtins(done))
        return DONE
    results().print(f"Manifest: {done.digest}", soft_wrap=True)
    messages().print(
        f"[dim]{plural(done.files, 'file')}, {format_bytes(done.bytes)} written to {plain(done.path)}[/]",
        soft_wrap=True,
    )
    return DONE


def _check(path: str, as_json: bool) -> int:
    from riglog.recordings.bundles import check_bundle

    found = check_bundle(path)
    code = CHANGED if found.wrong else DONE
    if as_json:
        print_json(to_builtins(found))
        return code
    state = f"{found.wrong} not as the manifest states" if found.wrong else "all as the manifest states"
    results().print(f"{plain(found.path)}: {plural(found.files, 'file')}, {state}.", soft_wrap=True)
    results().print(f"Manifest: {found.digest}", soft_wrap=True)
    for problem in found.problems:
        print_warning(f"{path}: {plain(problem)}")
    return code
