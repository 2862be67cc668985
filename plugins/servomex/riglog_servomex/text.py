"""Names and units as the analyser sends them: codes of its display, which is not ASCII above 7F.

Source: Servomex wire specification, sections 4 and 5.
"""

from functools import lru_cache
from typing import NamedTuple

GLYPHS = {0x82: "₂"}
"""Display codes whose glyph is known. All others are taken as Latin-1."""

UNLABELLED = "| \0"
"""What a name is made of when there is none."""

UNITS = {"%": "%", "vpm": "vpm", "ppm": "ppm", "ma": "mA"}
VPM_PER_PERCENT = 10_000.0
PER_PERCENT = {"%": 1.0, "vpm": VPM_PER_PERCENT, "ppm": VPM_PER_PERCENT}


def decode_text(data: bytes) -> str:
    """One character for every byte; never fails."""
    return "".join([GLYPHS.get(code) or chr(code) for code in data])


@lru_cache(maxsize=256)
def decode_name(data: bytes) -> str | None:
    """The name of a channel; None if it is unlabelled."""
    text = decode_text(data)
    return text.strip(" \0") if text.strip(UNLABELLED) else None


class Unit(NamedTuple):
    """``canonical`` is None when nobody knows what ``text`` means."""

    canonical: str | None
    text: str

    @property
    def said(self) -> str | None:
        """What to put beside a value: the canonical unit, else what the analyser says, else nothing."""
        return self.canonical or self.text or None


@lru_cache(maxsize=256)
def decode_unit(data: bytes) -> Unit:
    text = decode_text(data).strip(" \0")
    return Unit(UNITS.get(text.lower()), text)


def converted(value: float, unit: str | None, wanted: str) -> tuple[float, str | None]:
    """A concentration in another unit, 1 % = 10 000 vpm = 10 000 ppm. What is no concentration stays as it is."""
    if unit == wanted or unit not in PER_PERCENT or wanted not in PER_PERCENT:
        return value, unit
    return value * (PER_PERCENT[wanted] / PER_PERCENT[unit]), wanted
