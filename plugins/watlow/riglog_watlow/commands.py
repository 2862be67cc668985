"""The commands ``riglog watlow …``."""

from typing import TYPE_CHECKING, Any

import click

from riglog.cli.options import configure_options

if TYPE_CHECKING:
    from riglog_watlow.parameters import Parameter

COLUMNS = (
    "name",
    "id",
    "access",
    "memory",
    "unit or codes",
    "range",
    "register (map 1)",
    "register (map 2)",
    "instances",
)


@click.group("watlow")
def watlow() -> None:
    """Watlow temperature controllers."""


@watlow.command("decode", short_help="Decode a frame.")
@click.argument("frame", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(frame: tuple[str, ...], as_json: bool) -> None:
    """Decode FRAME, given in hex: Standard Bus frames, or one Modbus RTU frame."""
    from riglog.cli.output import print_facts, print_json
    from riglog_watlow.decode import explain

    try:
        data = bytes.fromhex("".join(frame).replace(":", ""))
    except ValueError:
        raise click.UsageError("FRAME is not hexadecimal; expected for example 55 FF 05 10 …") from None
    frames = explain(data)
    if as_json:
        print_json(frames)
    else:
        print_facts(*frames)


@watlow.command("parameters", short_help="List parameters, optionally filtered.")
@click.argument("search", default="")
@click.option("--family", type=click.Choice(["pm", "sd", "f4p"]), default="pm", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def parameters(search: str, family: Any, as_json: bool) -> None:
    """List all parameters, or those whose name or label contains SEARCH or whose id starts with it."""
    from riglog.cli.output import print_json, print_table
    from riglog_watlow.families import FACTS
    from riglog_watlow.parameters import registry

    matches = registry(FACTS[family].family).search(search)
    if not matches:
        raise click.UsageError(f"no parameter matches {search!r}")
    if as_json:
        print_json(matches)
    else:
        print_table(COLUMNS, map(_row, matches))


@watlow.command("configure", short_help="Change address, baud rate, parity or protocol.")
@configure_options
def configure(**arguments: Any) -> int:
    """Change address, baudrate, parity or protocol of an EZ-ZONE PM, and check that the same controller responds.

    --address and --option state how it is reached now, KEY=VALUE what it is to be: address=4.
    """
    from riglog.cli.configure import LinkSettings
    from riglog.cli.configure import configure as configured
    from riglog_watlow.maintenance import MOVABLE, changes, move_link, new_config, read_settings

    return configured("watlow", LinkSettings(MOVABLE, new_config, changes, read_settings, move_link), **arguments)


def _row(parameter: "Parameter") -> list[str]:
    codes = ", ".join(f"{code} {label}" for code, label in parameter.enum.items())
    bounds = f"{parameter.range.min:g} … {parameter.range.max:g}" if parameter.range else ""
    return [
        parameter.name,
        str(parameter.id or ""),
        parameter.access,
        "" if parameter.storage == "none" else parameter.storage,
        codes or parameter.unit_kind,
        bounds,
        str(parameter.map1.address) if parameter.map1 else "",
        str(parameter.map2.address) if parameter.map2 else "",
        f"{parameter.instances[0]} … {parameter.instances[-1]}" if len(parameter.instances) > 1 else "1",
    ]
