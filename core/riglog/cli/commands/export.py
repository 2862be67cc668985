"""``riglog export``: writes the rows of a recording as CSV, JSON Lines, Parquet, NetCDF or an Excel workbook."""

import io
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from riglog.cli.console import messages, plain, plural, progress_bar
from riglog.cli.errors import DONE, USAGE, print_error
from riglog.cli.options import require_matching_rows
from riglog.cli.screen import STDOUT, discard_further_output, printable
from riglog.config.recorded_names import recorded_parameter
from riglog.errors import ConfigError, StorageError
from riglog.recordings import BINARY_FORMATS, EXPORT_FORMATS, Exported, Selection, export


@click.command("export", short_help="Export to CSV, Excel, JSON Lines, Parquet or NetCDF.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(EXPORT_FORMATS)),
    help="Output format. Default: by the ending of --out, else csv.",
)
@click.option("-o", "--out", type=click.Path(readable=False), help="Output file. Default: standard output.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export in the same format; nothing else.")
@click.option("--run", help="Only rows of the run with this id, or of the runs with this name.")
@click.option("--device", help="Only rows of this device.")
@click.option("--parameter", help="Only rows of this parameter.")
@click.option("--from", "start", metavar="TIME", help="Only rows received at or after this time (ISO 8601, UTC).")
@click.option("--to", "end", metavar="TIME", help="Only rows received before this time (ISO 8601, UTC).")
@click.option("--wide", is_flag=True, help="One row per slot, one column per channel.")
@click.option("--every", type=click.FloatRange(min=0, min_open=True), help="With --wide: width of a row in seconds.")
@click.option(
    "--decimal",
    type=click.Choice(("point", "comma")),
    default="point",
    help="Decimal sign of numbers in CSV; with comma the separator is a semicolon.",
)
@click.option("--separator", help='Separator of CSV: ",", ";" or "tab".')
@click.option(
    "--corrected", is_flag=True, help="Also the corrected value of each row, its uncertainty and its certificate."
)
@click.option(
    "--local-time", is_flag=True, help="Times of this computer's zone, with their offset. Recordings stay in UTC."
)
@click.option(
    "--time-interval",
    is_flag=True,
    help="Add the earliest and the latest time of each value, from the latency and the error of the clock.",
)
def command(
    files: tuple[str, ...],
    format_: str | None,
    out: str | None,
    overwrite: bool,
    run: str | None,
    device: str | None,
    parameter: str | None,
    start: str | None,
    end: str | None,
    wide: bool,
    every: float | None,
    decimal: str,
    separator: str | None,
    local_time: bool,
    time_interval: bool,
    corrected: bool,
) -> int:
    """Export the rows of the recording FILE, oldest first, to another format.

    Several files, such as those of a rotation, become one export.
    """
    chosen = format_ or _format_of(out)
    if chosen in BINARY_FORMATS and out is None:
        print_error(f"{chosen} cannot be written to standard output", f"Add --out FILE.{chosen}")
        return USAGE
    selection = Selection(run, device, recorded_parameter(files, parameter), start, end)
    target = out or _standard_output()
    try:
        with progress_bar("exporting", enabled=out is not None or not STDOUT.isatty()) as update:
            done = export(
                files,
                target,
                format=chosen,
                selection=selection,
                wide=wide,
                every=every,
                overwrite=overwrite,
                separator="\t" if separator == "tab" else separator,
                decimal_comma=decimal == "comma",
                local_time=local_time,
                time_interval=time_interval,
                corrected=corrected,
                progress=update,
            )
        if out is None:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_further_output(sys.stdout)
        return DONE
    except OSError as error:
        raise StorageError(f"cannot write to standard output: {error.strerror}") from error
    _print_result(done, out, wide=wide)
    if not done.rows and selection == Selection():
        for file in files:
            require_matching_rows(file)
    return DONE


def _format_of(out: str | None) -> str:
    """Return the format that the ending of a file name stands for; CSV without an ending.

    Raises:
        ConfigError: another ending.
    """
    ending = Path(out).suffix if out else ""
    name = ending.removeprefix(".").lower() or "csv"
    if name not in EXPORT_FORMATS:
        known = ", ".join(f".{format}" for format in EXPORT_FORMATS)
        raise ConfigError(f"--out: unknown ending {ending!r}", hint=f"Use one of {known}, or add --format", file=out)
    return name


class _Terminal(io.RawIOBase):
    """A terminal as a file to write rows to: control characters in them become escapes."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        STDOUT.write(printable(bytes(data).decode(), lines=True))
        return len(data)


def _standard_output() -> BinaryIO:
    if STDOUT.isatty():
        return _Terminal()  # type: ignore[return-value]
    if sys.stdout is None:
        raise StorageError("standard output is closed", hint="Add --out FILE")
    return sys.stdout.buffer


def _print_result(done: Exported, out: str | None, *, wide: bool) -> None:
    where = f" written to {out}" if out else ""
    rule = "; each row is one slot of all channels" if wide else ""
    if done.every:
        rule = f"; each row covers {done.every:g} s and holds the last value of every channel"
    messages().print(f"[dim]{plural(done.rows, 'row')}{plain(where)}{rule}[/]", soft_wrap=True)
