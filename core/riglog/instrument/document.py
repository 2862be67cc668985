"""The documentation page of an instrument file, in Markdown. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from riglog.instrument.description import UNTRIED, AnyQuantity, Block, Description, Quantity
from riglog.instrument.driver import InstrumentDriver
from riglog.protocol import TransactionCost
from riglog.transport import Link


def page(
    driver: InstrumentDriver[Any, Any, AnyQuantity],
    description: Description[AnyQuantity],
    link: Link,
    costs: Sequence[TransactionCost],
    file: str,
) -> str:
    """Return the page.

    Args:
        link: the usual settings of the port.
        costs: the requests of one poll.
        file: the name of the file, for the rig file that is shown.
    """
    head = description.head
    tried = ", ".join(map(_plain, head.hardware)) or UNTRIED
    lines = [f"# {_plain(head.title)}", "", f"Driver `{head.driver}`; hardware: {tried}.", ""]
    for manual in head.manual:
        rest = "".join(f", {_plain(text)}" for text in (manual.revision, manual.address) if text)
        lines.append(f"- Source: {_plain(manual.title)}{rest}")
    lines += [f"- {_plain(note)}" for note in head.notes]
    lines += ["", "## Line", "", *_line(description, link, costs)]
    for block in description.blocks:
        if block.quantities:
            lines += ["", f"## {_plain(block.name.replace('_', ' '))}", "", *_block(driver, block, description)]
    if states := list(_states(description)):
        lines += ["", "## States", "", "| quantity | state | code | effect on values |", "|---|---|--:|---|", *states]
    lines += ["", "## Rig file", "", "```toml", "[[device]]", 'name = "meter"', f'driver = "{head.driver}"']
    lines += [f'instrument = "{file}"', 'port = "/dev/ttyUSB0"', "```", ""]
    return "\n".join(lines)


def _line(description: Description[Any], link: Link, costs: Sequence[TransactionCost]) -> Iterator[str]:
    protocols = ", ".join(description.line.protocols) or link.protocol
    yield f"Protocols: {protocols}. {link.baudrate} baud, {link.bytesize}{link.parity}{link.stopbits:g}."
    if costs:
        busy = sum(cost.seconds(link) for cost in costs)
        yield ""
        yield f"One poll of the recorded channels: {len(costs)} requests, about {busy:.3f} s of the line."
    if description.head.identity:
        yield ""
        yield f"Identity: {', '.join(f'`{name}`' for name in description.head.identity)}."


def _block(
    driver: InstrumentDriver[Any, Any, AnyQuantity], block: Block[AnyQuantity], description: Description[AnyQuantity]
) -> Iterator[str]:
    if block.options.source:
        yield f"Source: {_plain(block.options.source)}"
        yield ""
    yield "| channel | what | where | unit | number | settable |"
    yield "|---|---|---|---|---|---|"
    for name, quantity in block.quantities.items():
        shown = f"`{name}`" if quantity.record else f"({name})"
        unit = f"from `{quantity.unit_from}`" if quantity.unit_from else quantity.unit or ""
        cells = (
            shown,
            quantity.label or "",
            driver.place(name, quantity, description),
            unit,
            _number(quantity),
            _settable(quantity),
        )
        yield f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _number(quantity: Quantity) -> str:
    parts = []
    if quantity.scale != 1 or quantity.offset != 0:
        parts.append(f"x {quantity.scale:g}" + (f" + {quantity.offset:g}" if quantity.offset else ""))
    if quantity.decimals_from:
        parts.append(f"decimals from `{quantity.decimals_from}`")
    if quantity.limits:
        parts.append(f"{quantity.limits[0]:g} to {quantity.limits[1]:g}")
    parts += [f"{code}: {what}" for code, what in quantity.special.items()]
    if quantity.labels and not quantity.effect:
        parts += [f"{code}: {label}" for code, label in list(quantity.labels.items())[:12]]
    if quantity.status_from:
        parts.append(f"status from {', '.join(f'`{name}`' for name in quantity.status_from)}")
    return "; ".join(parts)


def _settable(quantity: Quantity) -> str:
    writable = getattr(quantity, "writable", None)
    if writable is None:
        return ""
    low, high = ("" if end is None else f"{end:g}" for end in (writable.min, writable.max))
    return f"{writable.tier}, {low} to {high}" if low or high else str(writable.tier)


def _states(description: Description[Any]) -> Iterator[str]:
    for name, quantity in description.quantities.items():
        for code, names in quantity.flags.items():
            for flag in names.split():
                yield f"| `{name}` | {_plain(flag)} | bit {_plain(code)} | {quantity.effect.get(flag, 'flag')} |"
        if quantity.effect:
            for code, label in quantity.labels.items():
                yield f"| `{name}` | {_plain(label)} | {_plain(code)} | {quantity.effect.get(label, '')} |"


def _plain(text: str) -> str:
    """Return a text of a file so that it is one cell, and nothing in it is markup."""
    text = " ".join(text.split())
    for sign in "\\|<>[]":
        text = text.replace(sign, f"\\{sign}")
    return "".join(sign if sign.isprintable() else "?" for sign in text)
