"""``riglog set``: changes one parameter of one instrument."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from riglog.cli.console import by_whom, channel_name, format_value, messages, plain, print_json, results
from riglog.cli.errors import DONE
from riglog.cli.options import device_options, device_spec, json_option, reason_option
from riglog.cli.signals import run
from riglog.errors import ConfigError, ConfirmationError, did_you_mean, error_context

if TYPE_CHECKING:
    from riglog.manager import DeviceSpec

SHOWN_NAMES = 12


@click.command("set", short_help="Change one parameter of one device.")
@device_options
@click.argument("parameter")
@click.argument("value")
@click.option(
    "--instance",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Instance of the parameter: number of the loop, alarm or input.",
)
@click.option("--confirm", is_flag=True, help="Required: confirm that the instrument is to be changed.")
@reason_option
@json_option
def command(**arguments: Any) -> int:
    """Write VALUE to PARAMETER of one device and read it back. Nothing is written without --confirm."""
    return run(lambda _: _set(**arguments))


async def _set(
    driver: str,
    port: str | None,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    parameter: str,
    value: str,
    instance: int,
    confirm: bool,
    reason: str | None,
    as_json: bool,
) -> int:
    from riglog.manager import Manager
    from riglog.model import Event, ParameterWrite, checked_reason
    from riglog.model.actor import user
    from riglog.sinks.rows import as_json_object, row

    why = checked_reason(reason)
    events: list[Event] = []

    spec = device_spec(driver, port, protocol, address, options)
    parameter = _settable(spec, parameter, lambda: device_spec(driver, port, protocol, address, options, [parameter]))
    if not confirm:  # before the port is opened
        raise ConfirmationError(
            f"setting {parameter} changes the instrument and needs confirmation",
            hint="Nothing was written. The unit of the value is that of `riglog read` with the same options. "
            "Repeat the command with --confirm",
            device=spec.name,
            port=port,
        )
    async with Manager() as rig:
        device = await rig.add_spec(spec)
        rig.subscribe(events.append)
        with error_context(device=device.name, port=port):
            sample = await device.set_parameter(parameter, value, instance, confirm=True)
    writes = [event.detail for event in events if isinstance(event.detail, ParameterWrite)]
    old = writes[0].old_value if writes else None
    if sample is None:
        messages().print(f"[dim]{plain(parameter)}: written; the device does not report the new value[/]")
    elif as_json:
        print_json(
            as_json_object(row(None, None, sample))
            | {"written": bool(writes), "old_value": old, "user": user(), "reason": why}
        )
    else:
        text = f"{channel_name(sample.channel)} = {format_value(sample.value, sample.text)} {sample.unit or ''}"
        results().print(text.rstrip(), markup=False)
    if not as_json:
        before = "" if old is None else f"before: {old}; "
        done = before + by_whom(why) if writes else "it had this value already; nothing was written"
        messages().print(f"[dim]{plain(done)}[/]", soft_wrap=True)
    return DONE


def _settable(spec: "DeviceSpec", parameter: str, try_reading: Callable[[], object]) -> str:
    """Return the name of a parameter that can be set, as far as the driver knows its parameters. Nothing is opened.

    Raises:
        ConfigError: there is no such parameter, it can be read only, or the name can mean several.
    """
    from riglog.plugin.guard import bugs_as

    with error_context(device=spec.name), bugs_as(ConfigError, spec.driver, "settable() or canonical_name()"):
        settable = spec.driver.settable(spec.config)
        recorded_as = spec.driver.canonical_name(spec.config, parameter) or parameter
    if settable is None or recorded_as in settable or parameter.isdecimal():  # a number may be an id
        return recorded_as
    shown = [*settable[:SHOWN_NAMES], *(["…"] if len(settable) > SHOWN_NAMES else [])]
    available = f"Parameters that can be set: {', '.join(shown) or 'none'}"
    try:
        try_reading()
    except ConfigError:
        hint = f"{did_you_mean(parameter, settable)}{available}"
        raise ConfigError(f"unknown parameter {parameter!r}", hint=hint, device=spec.name) from None
    raise ConfigError(f"{parameter} can be read, but not set", hint=f"{available}", device=spec.name)
