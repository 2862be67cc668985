"""The ten channel positions of a 4000-series analyzer: their ids, places in the Modbus map, names and units.

Source: Servomex wire specification, sections 1.1, 4, 5 and 8.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from riglog.errors import ConfigError

REGISTERS = 7
"""Input registers per position: value (2), name (3), unit (2)."""
BITS = 8
"""Discrete inputs per position."""

GLYPHS = {0x82: "₂"}
"""Codes of the display whose glyph is known. All others are read as Latin-1."""

UNLABELLED = "| \0"
"""The characters of a name field without a name."""

UNITS = {"%": "%", "vpm": "vpm", "ppm": "ppm", "ma": "mA"}
VPM_PER_PERCENT = 10_000.0
PER_PERCENT = {"%": 1.0, "vpm": VPM_PER_PERCENT, "ppm": VPM_PER_PERCENT}


class Kind(StrEnum):
    TRANSDUCER = "transducer"
    DERIVED = "derived"
    EXTERNAL_INPUT = "external_input"


class Position(NamedTuple):
    """``number`` counts the positions in the order of the map."""

    number: int
    id: str
    kind: Kind

    @property
    def parameter(self) -> str:
        """The parameter of a row. The gas can be renamed on the panel, the position cannot."""
        return self.id.lower()


def _positions() -> Iterable[Position]:
    ids = [f"{letter}{digit}" for letter, last in (("I", 4), ("D", 4), ("E", 2)) for digit in range(1, last + 1)]
    kinds = {"I": Kind.TRANSDUCER, "D": Kind.DERIVED, "E": Kind.EXTERNAL_INPUT}
    return (Position(number, channel, kinds[channel[0]]) for number, channel in enumerate(ids))


POSITIONS: dict[str, Position] = {position.id: position for position in _positions()}


def find_position(name: str) -> Position:
    """Return a position by its id, in upper or lower case.

    Raises:
        ConfigError: the id is unknown.
    """
    position = POSITIONS.get(name.strip().upper())
    if position is None:
        raise ConfigError(f"unknown channel {name!r}", hint=f"Available: {', '.join(POSITIONS)}")
    return position


# --- names and units, in the codes of the display: not ASCII above 7F


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
    def symbol(self) -> str | None:
        """The unit of a row: the canonical unit, otherwise the text of the analyzer; None if it is empty."""
        return self.canonical or self.text or None


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
