"""``riglog set``: change one parameter of one instrument, on purpose."""

from typing import Any

import click

from riglog.cli.console import data, notes, print_json, shown
from riglog.cli.options import device_options, device_table, json_option
from riglog.cli.running import run


@click.command("set")
@device_options
@click.argument("parameter")
@click.argument("value")
@click.option("--instance", default=1, show_default=True, type=click.IntRange(min=1), help="Which loop, alarm, input.")
@click.option("--confirm", is_flag=True, help="Yes, change the instrument.")
@json_option
def command(**arguments: Any) -> int:
    """Write VALUE into PARAMETER of one device and read it back. Nothing is written without --confirm."""
    return run(lambda _: _set(**arguments))


async def _set(
    driver: str,
    port: str,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    parameter: str,
    value: str,
    instance: int,
    confirm: bool,
    as_json: bool,
) -> int:
    from riglog.manager import Manager, plan
    from riglog.plugin import installed
    from riglog.sinks.rows import as_json_object, row

    table = device_table(driver, port, protocol, address, options)
    async with Manager() as rig:
        device = await rig.add_planned(plan(installed(), table, "option", strict=False))
        sample = await device.set_parameter(parameter, value, instance, confirm=confirm)
    if sample is None:
        notes().print(f"[dim]{parameter} was written and says nothing back[/]", highlight=False)
    elif as_json:
        print_json(as_json_object(row(None, None, sample)))
    else:
        data().print(f"{sample.channel.parameter} is {shown(sample.value, sample.text)} {sample.unit or ''}".rstrip())
    return 0
