"""Units and names as the analyzer sends them: codes of its display, which are not ASCII above 7F.

Source: Servomex wire specification, sections 4 and 5.
"""

from functools import lru_cache
from typing import NamedTuple

GLYPHS = {0x82: "₂"}
"""Codes of the display whose glyph is known. All others are read as Latin-1."""

UNLABELLED = "| \0"
"""The characters of a name field without a name."""

UNITS = {"%": "%", "vpm": "vpm", "ppm": "ppm", "ma": "mA"}
VPM_PER_PERCENT = 10_000.0
PER_PERCENT = {"%": 1.0, "vpm": VPM_PER_PERCENT, "ppm": VPM_PER_PERCENT}


def decode_text(data: bytes) -> str:
    """Return one character for every byte; never fails."""
    return "".join([GLYPHS.get(code) or chr(code) for code in data])


@lru_cache(maxsize=256)
def decode_name(data: bytes) -> str | None:
    """Return the name of a channel; None if it is unlabelled."""
    text = decode_text(data)
    return text.strip(" \0") if text.strip(UNLABELLED) else None


class Unit(NamedTuple):
    """``text`` is what the analyzer sends; ``canonical`` is None if its meaning is unknown."""

    canonical: str | None
    text: str

    @property
    def is_text(self) -> bool:
        """False for codes that are not characters: then it is not a unit."""
        return self.text.isprintable()

    @property
    def symbol(self) -> str | None:
        """The unit of a row: the canonical unit, otherwise the text of the analyzer; None if it is empty or no text."""
        return self.canonical or (self.text if self.is_text else None) or None


@lru_cache(maxsize=256)
def decode_unit(data: bytes) -> Unit:
    """Return the unit of a channel."""
    text = decode_text(data).strip(" \0")
    return Unit(UNITS.get(text.lower()), text)


def convert(value: float, unit: str | None, wanted: str) -> tuple[float, str | None]:
    """Return a concentration in the wanted unit: 1 % = 10 000 vpm = 10 000 ppm. Other quantities stay as they are."""
    if unit == wanted or unit not in PER_PERCENT or wanted not in PER_PERCENT:
        return value, unit
    return value * (PER_PERCENT[wanted] / PER_PERCENT[unit]), wanted
