"""``riglog read``: reads one device."""

import os
from collections.abc import Sequence
from textwrap import indent
from typing import Any, Self

import anyio
import click
import msgspec

from riglog.cli.console import add_row, channel_name, format_time, format_value, results, table
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.options import device_options, device_spec, json_option
from riglog.cli.screen import STDOUT, json_printable, printable
from riglog.cli.signals import run
from riglog.errors import ConfigError
from riglog.model import Sample, iso

HEADINGS = ("time (UTC)", "parameter", "value", "unit", "status", "flags")
WIDTHS = (23, 14, 10, 4, 7, 5)
"""Of the columns with ``--repeat``, where later values are not known when the first is printed."""


@click.command("read", short_help="Read one device, once or repeatedly.")
@device_options
@click.argument("parameters", nargs=-1)
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(min=1), help="Number of readings.")
@click.option(
    "--interval", default=1.0, show_default=True, type=click.FloatRange(min=0), help="Seconds between readings."
)
@json_option
def command(**arguments: Any) -> int:
    """Read PARAMETERS of one device (default: those of the driver). Exit code 1 if a value is missing."""
    if os.path.isfile(arguments["driver"]):
        raise ConfigError(
            "this is a file, not a driver",
            hint="Print a recording with riglog tail or riglog export",
            path=arguments["driver"],
        )
    return run(lambda _: _read(**arguments))


async def _read(
    driver: str,
    port: str | None,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    parameters: tuple[str, ...],
    repeat: int,
    interval: float,
    as_json: bool,
) -> int:
    from riglog.manager import Manager

    spec = device_spec(driver, port, protocol, address, options, parameters)
    show = _Readings(as_json, repeat)
    async with Manager() as rig:
        device = await rig.add_spec(spec)
        (source,) = rig.sources([device.name])
        with show:
            for number in range(repeat):
                if number:
                    await anyio.sleep(interval)
                show.add(await source.poll())
    return INCOMPLETE if show.incomplete else DONE


class _Readings:
    """Prints each reading when it is taken, so that Ctrl-C loses none: one JSON array, or a table that grows."""

    def __init__(self, as_json: bool, repeat: int) -> None:
        self.incomplete = False
        self._as_json = as_json
        self._objects = 0
        self._errors: set[str] = set()
        self._widths = [0] * len(HEADINGS) if repeat == 1 else list(WIDTHS)
        self._printed_head = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._as_json:
            STDOUT.write("\n]\n" if self._objects else "[]\n")

    def add(self, samples: Sequence[Sample]) -> None:
        """Print the samples of one reading."""
        self.incomplete |= any(sample.value is None for sample in samples)
        if self._as_json:
            self._add_json(samples)
            return
        values = table(*HEADINGS)
        values.show_header = not self._printed_head
        self._printed_head = True
        for sample in samples:
            cells = _cells(sample)
            self._widths = [max(width, len(printable(cell))) for width, cell in zip(self._widths, cells, strict=True)]
            add_row(values, *cells)
        for column, width in zip(values.columns, self._widths, strict=True):
            column.min_width = width
        results().print(values)
        for line in dict.fromkeys(f"{channel_name(s.channel)}: {s.error}" for s in samples if s.error is not None):
            if line not in self._errors:
                self._errors.add(line)
                results().print(line, markup=False, soft_wrap=True)

    def _add_json(self, samples: Sequence[Sample]) -> None:
        from riglog.sinks.rows import as_json_object, row

        for sample in samples:
            text = msgspec.json.format(msgspec.json.encode(as_json_object(row(None, None, sample))), indent=2).decode()
            lead = ",\n" if self._objects else "[\n"
            STDOUT.write(lead + indent(json_printable(text), "  "))
            self._objects += 1


def _cells(sample: Sample) -> list[str]:
    received = format_time(iso(sample.stamp.received_ns))
    value = format_value(sample.value, sample.text)
    cells = [received, channel_name(sample.channel), value, sample.unit or "", sample.status.value]
    return [*cells, " ".join(sample.flags)]
