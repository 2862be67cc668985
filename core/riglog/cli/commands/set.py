"""``riglog set``: change one parameter of one instrument, on purpose."""

from typing import Any

import click
from rich.markup import escape

from riglog.cli.console import data, notes, print_json, shown
from riglog.cli.console import parameter as channel_name
from riglog.cli.options import device_options, device_table, json_option
from riglog.cli.signals import run
from riglog.errors import error_context


@click.command("set", short_help="Change one parameter of one device.")
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
    from riglog.manager import Manager, resolve_device
    from riglog.plugin import installed
    from riglog.sinks.rows import as_json_object, row

    wanted = device_table(driver, port, protocol, address, options)
    async with Manager() as rig:
        device = await rig.add_spec(resolve_device(installed(), wanted, "option", strict=False))
        with error_context(device=device.name, port=port):
            sample = await device.set_parameter(parameter, value, instance, confirm=confirm)
    if sample is None:
        notes().print(f"[dim]{escape(parameter)} was written and says nothing back[/]")
    elif as_json:
        print_json(as_json_object(row(None, None, sample)))
    else:
        told = f"{channel_name(sample.channel)} is {shown(sample.value, sample.text)} {sample.unit or ''}"
        data().print(told.rstrip(), markup=False)
    return 0
