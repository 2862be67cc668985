"""``riglog read``: one look at one device."""

from typing import Any

import anyio
import click

from riglog.cli.console import add, clock, data, parameter, print_json, shown, table
from riglog.cli.errors import DONE, GAPS
from riglog.cli.options import device_options, device_table, json_option
from riglog.cli.signals import run
from riglog.model import Sample, iso


@click.command("read", short_help="Read one device, once or repeatedly.")
@device_options
@click.argument("parameters", nargs=-1)
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(min=1), help="How often to read.")
@click.option("--interval", default=1.0, show_default=True, type=click.FloatRange(min=0), help="Seconds in between.")
@json_option
def command(**arguments: Any) -> int:
    """Read PARAMETERS (the driver's usual ones by default) of one device. Exit code 1 if a value is missing."""
    return run(lambda _: _read(**arguments))


async def _read(
    driver: str,
    port: str,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    parameters: tuple[str, ...],
    repeat: int,
    interval: float,
    as_json: bool,
) -> int:
    from riglog.manager import Manager, resolve_device
    from riglog.plugin import installed

    wanted = device_table(driver, port, protocol, address, options)
    if parameters:
        wanted["parameters"] = list(parameters)
    samples: list[Sample] = []
    async with Manager() as rig:
        device = await rig.add_spec(resolve_device(installed(), wanted, "option", strict=False))
        for number in range(repeat):
            if number:
                await anyio.sleep(interval)
            samples += await rig.sources([device.name])[0].poll()
    _print(samples, as_json)
    return GAPS if any(sample.value is None for sample in samples) else DONE


def _print(samples: list[Sample], as_json: bool) -> None:
    from riglog.sinks.rows import as_json_object, row

    if as_json:
        print_json([as_json_object(row(None, None, sample)) for sample in samples])
        return
    found = table("time (UTC)", "parameter", "value", "unit", "status", "flags")
    for sample in samples:
        name, received = parameter(sample.channel), clock(iso(sample.stamp.received_ns))
        cells = [name, shown(sample.value, sample.text), sample.unit or "", sample.status.value]
        add(found, received, *cells, " ".join(sample.flags))
    data().print(found)
    for told in dict.fromkeys(f"{parameter(one.channel)}: {one.error}" for one in samples if one.error is not None):
        data().print(told, markup=False, soft_wrap=True)
