"""The ten places a 4000-series analyser has for channels, and where they are in the Modbus map.

Source: Servomex wire specification, sections 1.1 and 8.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from riglog.errors import ConfigError

REGISTERS = 7
"""Input registers per position: value (2), name (3), unit (2)."""
BITS = 8
"""Discrete inputs per position."""


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
        """What a row calls it. The gas behind it can be renamed at the panel, the position cannot."""
        return self.id.lower()


def _positions() -> Iterable[Position]:
    ids = [f"{letter}{digit}" for letter, last in (("I", 4), ("D", 4), ("E", 2)) for digit in range(1, last + 1)]
    kinds = {"I": Kind.TRANSDUCER, "D": Kind.DERIVED, "E": Kind.EXTERNAL_INPUT}
    return (Position(number, one, kinds[one[0]]) for number, one in enumerate(ids))


POSITIONS: dict[str, Position] = {position.id: position for position in _positions()}


def find_position(name: str) -> Position:
    """A position by its id, in any case.

    Raises:
        ConfigError: there is none of that name.
    """
    position = POSITIONS.get(name.strip().upper())
    if position is None:
        raise ConfigError(f"there is no channel {name!r}", hint=f"channels: {', '.join(POSITIONS)}")
    return position
