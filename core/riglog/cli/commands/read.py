"""``riglog read``: reads one device."""

from typing import Any

import anyio
import click

from riglog.cli.console import add_row, channel_name, format_time, format_value, print_json, results, table
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.options import device_options, device_spec, json_option
from riglog.cli.signals import run
from riglog.model import Sample, iso


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
    samples: list[Sample] = []
    async with Manager() as rig:
        device = await rig.add_spec(spec)
        for number in range(repeat):
            if number:
                await anyio.sleep(interval)
            samples += await rig.sources([device.name])[0].poll()
    _print(samples, as_json)
    return INCOMPLETE if any(sample.value is None for sample in samples) else DONE


def _print(samples: list[Sample], as_json: bool) -> None:
    from riglog.sinks.rows import as_json_object, row

    if as_json:
        print_json([as_json_object(row(None, None, sample)) for sample in samples])
        return
    values = table("time (UTC)", "parameter", "value", "unit", "status", "flags")
    for sample in samples:
        name, received = channel_name(sample.channel), format_time(iso(sample.stamp.received_ns))
        cells = [name, format_value(sample.value, sample.text), sample.unit or "", sample.status.value]
        add_row(values, received, *cells, " ".join(sample.flags))
    results().print(values)
    errors = (f"{channel_name(sample.channel)}: {sample.error}" for sample in samples if sample.error is not None)
    for line in dict.fromkeys(errors):
        results().print(line, markup=False, soft_wrap=True)
