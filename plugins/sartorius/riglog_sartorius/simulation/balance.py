"""What both simulated balances have: a family, a pan, and knobs to turn."""

from riglog.errors import ConfigError
from riglog.simulation import Simulator
from riglog_sartorius.simulation.family import FAMILIES, Family
from riglog_sartorius.simulation.scale import TO_GRAMS, Scale


class SimulatedBalance(Simulator):
    """A vessel with something evaporating in it, until somebody puts another load on."""

    latency = 0.005

    def __init__(self, family: Family = FAMILIES["cubis"], *, scale: Scale | None = None) -> None:
        self.use(family, scale)

    def use(self, family: Family, scale: Scale | None = None) -> None:
        self.family = family
        self.scale = scale or Scale(capacity=family.capacity, decimals=family.decimals, load=326.185)
        self.isocal_due = False

    def set(self, name: str, value: str) -> None:
        """Knobs: load, drift, settle, unit, isocal_due, family; SBI also autoprint, output, width, render."""
        try:
            self._turn(name, value)
        except (ValueError, KeyError):
            raise ConfigError(f"the simulated balance cannot set {name} to {value!r}") from None

    def _turn(self, name: str, value: str) -> None:
        match name:
            case "load":
                self.scale.put(float(value))
            case "drift":
                self.scale.drift = float(value)
            case "settle":
                self.scale.settle = max(float(value), 1e-3)
            case "unit":
                self.scale.unit = value if value in TO_GRAMS else self._no(name)
            case "isocal_due":
                self.isocal_due = {"on": True, "off": False}[value]
            case "family":
                self.use(FAMILIES[value])
            case _:
                self._no(name)

    def _no(self, name: str) -> str:
        raise ConfigError(f"the simulated balance has nothing like that to set: {name!r}", hint=self.set.__doc__)
