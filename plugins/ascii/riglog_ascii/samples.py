"""The quantities of an ASCII protocol, and what the text of a field is as a number. Pure."""

from typing import Annotated

from msgspec import Meta

from riglog.instrument import Quantity, Raw, RawKind, Writable
from riglog_ascii.templates import FieldKind

RAW_KINDS: dict[FieldKind, RawKind] = {
    "number": "float",
    "int": "int",
    "hex": "int",
    "word": "text",
    "text": "text",
}
USUAL_DECIMALS = 3
"""Of numbers that are sent or simulated, if the file has no ``decimals``."""


class AsciiWritable(Writable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``request``: with ``{value}``. ``replies``: what confirms it; empty: the instrument sends no reply to it."""

    request: Annotated[str, Meta(min_length=1, max_length=200)]
    replies: tuple[str, ...] = ()


class AsciiQuantity(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity in the field of a reply that has its name. ``kind``: of the field; the template states it."""

    kind: FieldKind = "number"
    writable: AsciiWritable | None = None


def raw_of(kind: FieldKind, text: str) -> Raw:
    """Return the number, or the text, of a field. A number that is too large becomes infinite, which is no value."""
    match kind:
        case "number":
            return float(text)
        case "int":
            return int(text)
        case "hex":
            return int(text, 16)
    return text


def sent_text(quantity: AsciiQuantity, raw: Raw) -> str:
    """Return a number as it is written in a request: digits without an exponent."""
    if isinstance(raw, float):
        decimals = USUAL_DECIMALS if quantity.decimals is None else quantity.decimals
        return f"{raw:.{decimals}f}"
    return str(raw)
