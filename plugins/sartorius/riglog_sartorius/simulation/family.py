"""What differs from family to family. Source: sections 2.1, 3.8, 3.10, 3.11, 3.13."""

from msgspec import Struct


class Family(Struct, frozen=True):
    """``temperatures``: degrees Celsius by sensor, None for a slot without one. ``lacks``: opcodes answered 04."""

    model: str
    serial: str
    software: str
    capacity: int
    decimals: int
    temperatures: tuple[float | None, ...]
    parameters: frozenset[int]
    lacks: frozenset[int]
    tells_load_state: bool
    ticks_per_second: float


FULL = frozenset([*range(19), 24, 25, *range(27, 46), *range(50, 80)])

FAMILIES = {
    "cubis": Family(
        "MSE1203S-100-DR", "0031801165", "003921", 1200, 3, (22.5, 22.8, None, 25.3203125), FULL, frozenset(), True, 20
    ),
    "oem_weigh_cell": Family(
        "WZA8202-N",
        "0027406113",
        "003814",
        8200,
        2,
        (23.0, None, None, 24.25),
        frozenset([*range(1, 8), 9]),
        frozenset([0xB9, 0xBA, 0xBC]),
        False,
        50,
    ),
    "basic_lab": Family(
        "BCE3202-1S",
        "0036905424",
        "004002",
        3200,
        2,
        (24.5, None, None, None),
        FULL,
        frozenset([0xBC, 0x62]),
        False,
        20,
    ),
}
