"""The ten channel positions of a 4000-series analyzer, and where they are in the Modbus map.

Source: Servomex wire specification, sections 1.1 and 8.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from riglog.errors import ConfigError
from riglog.plugin import Names

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
        """The parameter of a row. The gas can be renamed on the panel, the position cannot."""
        return self.id.lower()


def _positions() -> Iterable[Position]:
    ids = [f"{letter}{digit}" for letter, last in (("I", 4), ("D", 4), ("E", 2)) for digit in range(1, last + 1)]
    kinds = {"I": Kind.TRANSDUCER, "D": Kind.DERIVED, "E": Kind.EXTERNAL_INPUT}
    return (Position(number, channel, kinds[channel[0]]) for number, channel in enumerate(ids))


POSITIONS: dict[str, Position] = {position.id: position for position in _positions()}


NAMES = Names(
    {
        position.id: (position.id, f"{position.kind.value}_{position.id[1]}", f"{position.id[0]}_{position.id[1]}")
        for position in POSITIONS.values()
    }
)
"""The positions and what people call them. The name of a gas is none: it can be changed on the panel."""


def find_position(name: str) -> Position:
    """Return a position by its id, in upper or lower case, or by its kind: ``I1``, ``transducer_1``.

    Raises:
        ConfigError: the id is unknown.
    """
    known = NAMES.find(name)
    if known is None:
        raise ConfigError(
            f"unknown channel {name!r}",
            hint=f"Available: {', '.join(POSITIONS)}. Gas names can be changed on the panel and select no channel",
        )
    return POSITIONS[known]
