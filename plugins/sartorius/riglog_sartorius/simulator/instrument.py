"""What the simulated balances of both protocols have in common: a family, a scale, and settings.

Source: sections 2.1, 3.8, 3.10, 3.11, 3.13.
"""

from fractions import Fraction
from math import isfinite

from msgspec import Struct, structs

from riglog.errors import ConfigError
from riglog.model.units import DEG_C
from riglog.simulation import Schedule, Simulator
from riglog_sartorius.simulator.scale import TO_GRAMS, Scale, Shown

MAX_DECIMALS = 5


class Family(Struct, frozen=True):
    """What differs between families.

    ``temperatures``: degrees Celsius by sensor, None for a slot without sensor. ``lacks``: opcodes with reply 04.
    ``reports_load_state``: the status block contains overload and underload.
    """

    model: str
    serial: str
    software: str
    capacity: int
    decimals: int
    temperatures: tuple[float | None, ...]
    parameters: frozenset[int]
    lacks: frozenset[int]
    reports_load_state: bool
    ticks_per_second: float


ALL_PARAMETERS = frozenset([*range(19), 24, 25, *range(27, 46), *range(50, 80)])

FAMILIES = {
    "cubis": Family(
        "MSE1203S-100-DR",
        "0031801165",
        "003921",
        1200,
        3,
        (22.5, 22.8, None, 25.3203125),
        ALL_PARAMETERS,
        frozenset(),
        True,
        20,
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
        ALL_PARAMETERS,
        frozenset([0xBC, 0x62]),
        False,
        20,
    ),
}


class SimulatedBalance(Simulator):
    """A balance with a vessel on it, the content of which evaporates."""

    latency = 0.005

    def __init__(self, family: Family = FAMILIES["cubis"], *, scale: Scale | None = None) -> None:
        self.schedule = Schedule()
        self.in_use = False  # something was received, or sent
        self.use(family, scale)

    def set_at(self, when: float, name: str, value: str) -> None:
        """Change a setting at a time in seconds, as ``set`` does; ``family`` and ``serial`` are another balance."""
        self.schedule.at(when, lambda: self.set(name, value))

    def truth(self, parameter: str, now: float) -> Shown:
        """Return what the balance has in a channel now, as it would show it; its value is None if there is none."""
        self.schedule.advance(now)
        match parameter:
            case "net":
                return self.scale.net(now)
            case "gross":
                return self.scale.gross(now)
            case "tare":
                return self.scale.tare_value(now)
            case "temperature":
                value = self.family.temperatures[0]
                return Shown(None if value is None else Fraction(value), 0, DEG_C, stable=True)
        raise KeyError(parameter)

    def use(self, family: Family, scale: Scale | None = None) -> None:
        """Become a balance of this family."""
        self.family = family
        self.scale = scale or Scale(capacity=family.capacity, decimals=family.decimals, load=326.185)
        self.isocal_due = False

    def set(self, name: str, value: str) -> None:
        """Available: load, drift, settle, unit, decimals, isocal_due, family, serial; over xBPI also power (cycle),
        power_cycle (seconds after saving); over SBI also autoprint, output,
        width, trim, labels, render
        """
        try:
            self._set(name, value)
        except (ValueError, KeyError):
            raise ConfigError(f"--set: invalid value {value!r} for {name}") from None

    def _set(self, name: str, value: str) -> None:
        match name:
            case "load":
                self.scale.put(number_of(value), for_long=not self.in_use)
            case "drift":
                self.scale.drift = number_of(value)
            case "settle":
                self.scale.settle = max(number_of(value), 1e-3)
            case "unit":
                if value not in TO_GRAMS:
                    raise ValueError(value)
                self.scale.unit = value
            case "decimals":
                self.scale.decimals = {str(number): number for number in range(MAX_DECIMALS + 1)}[value]
            case "serial":
                self.use(structs.replace(self.family, serial=f"{int(value):010d}"), self.scale)
            case "isocal_due":
                self.isocal_due = {"on": True, "off": False}[value]
            case "family":
                self.use(FAMILIES[value])
            case _:
                raise ConfigError(
                    f"--set: unknown setting {name!r} of the simulated balance",
                    hint=" ".join((SimulatedBalance.set.__doc__ or "").split()),
                )


def number_of(text: str) -> float:
    """Return a number that a balance can have.

    Raises:
        ValueError: it is not a number, or not finite.
    """
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number
