"""``riglog watlow …``: what only Watlow users need at the prompt."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from riglog_watlow.parameters import Parameter


@click.group("watlow")
def watlow() -> None:
    """Watlow temperature controllers."""


@watlow.command("decode", short_help="Explain the bytes of a frame.")
@click.argument("frame", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def decode(frame: tuple[str, ...], as_json: bool) -> None:
    """Explain the bytes of FRAME, in hex: Standard Bus, or one Modbus RTU frame."""
    from riglog_watlow.decode import explain

    try:
        data = bytes.fromhex("".join(frame).replace(":", ""))
    except ValueError:
        raise click.UsageError("FRAME is not hex; write it like 55 FF 05 10 …") from None
    pieces = explain(data)
    if as_json:
        _print_json(pieces)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for number, facts in enumerate(pieces):
        if number:
            table.add_row()
        for name, fact in facts.items():
            table.add_row(name, str(fact))
    Console(highlight=False).print(table)


@watlow.command("parameters", short_help="List parameters, all or those that match.")
@click.argument("search", default="")
@click.option("--family", type=click.Choice(["pm", "sd", "f4p"]), default="pm", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def parameters(search: str, family: Any, as_json: bool) -> None:
    """List parameters: all, or those whose name or label contains SEARCH, or whose id begins with it."""
    from riglog_watlow.families import FACTS
    from riglog_watlow.parameters import registry

    found = registry(FACTS[family].family).search(search)
    if not found:
        raise click.UsageError(f"no parameter with {search!r} in its name, label or id")
    if as_json:
        _print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "id", "access", "stored", "unit or codes", "range", "map 1", "map 2", "instances", box=None)
    for one in found:
        table.add_row(*_row(one), style=None)
    # piped into a file nothing is cut off
    Console(highlight=False, width=None if Console().is_terminal else 250).print(table)


def _row(one: "Parameter") -> list[str]:
    codes = ", ".join(f"{code} {label}" for code, label in one.enum.items())
    bounds = f"{one.range.min:g} … {one.range.max:g}" if one.range else ""
    return [
        one.name,
        str(one.id or ""),
        one.access,
        "" if one.storage == "none" else one.storage,
        codes or one.unit_kind,
        bounds,
        str(one.map1.address) if one.map1 else "",
        str(one.map2.address) if one.map2 else "",
        f"{one.instances[0]} … {one.instances[-1]}" if len(one.instances) > 1 else "1",
    ]


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
