"""What proves the values of one instrument: the rules of ``riglog.device`` applied to what its file refers to.

A value is proven by what its own reply states (rule F: new facts count when two replies in a row state them), and by
what other replies state: settings that are equal before and after it, and states without an error before and after it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from riglog.device import StatedFacts
from riglog.device.proof_reach import LastProven, Reach
from riglog.device.proof_settings import Claim, KnownSettings, Verdict, after_check
from riglog.instrument.description import Quantity
from riglog.instrument.values import (
    Meaning,
    Meanings,
    Raw,
    Reading,
    State,
    Stated,
    joined,
    stated_decimals,
    stated_text,
)
from riglog.model import NS

STAYS = Reach(jump=0.0, rate=0.0)
"""Of a quantity whose file does not state how far it can move: only what stays as it is can follow."""
NO_DECIMALS = "no value: number of decimal places unknown"
NO_TEXT = "no value: the instrument has no name for it, so it may not be fitted"


class Known(NamedTuple):
    """What is known about the references of a value: by name, as transmitted; absent ones are not in it.

    Attributes:
        before, after: of other replies, before and after the value.
        near: of the reply of the value.
    """

    before: Mapping[str, Raw | None]
    after: Mapping[str, Raw | None]
    near: Mapping[str, Raw | None]

    def of(self, name: str) -> tuple[Raw | None, ...]:
        """Return what was read, each once; nothing if the instrument does not have it."""
        if name in self.near:
            return (self.near[name],)
        return tuple(dict.fromkeys(found[name] for found in (self.before, self.after) if name in found))


class Proofs:
    """What was proven last about one instrument. ``settings``: the references as they were read last, and when."""

    def __init__(self, quantities: Mapping[str, Quantity], meanings: Meanings) -> None:
        self._quantities = quantities
        self._meanings = meanings
        self.settings: KnownSettings[str, Raw | None] = KnownSettings()
        self._facts: dict[str, StatedFacts] = {}
        self._values: dict[str, LastProven] = {}

    def forget(self) -> None:
        """Forget everything: the connection was interrupted, or it may be another instrument."""
        self.settings.forget()
        self._facts.clear()
        self._values.clear()

    def note(self, readings: Mapping[str, Reading]) -> None:
        """Note references that were read."""
        for name, reading in readings.items():
            self.settings.note(name, reading.raw, at(reading))

    def known(self, names: Sequence[str]) -> dict[str, Raw | None]:
        """Return references as they were read last."""
        return {name: self.settings.get(name) for name in names if name in self.settings}

    def facts_agree(self, name: str, reading: Reading, known: Known) -> bool:
        """Return whether what the reply states besides the number is proven. Notes it."""
        if reading.raw is None:
            return True
        facts: dict[str, object] = {
            key: known.near[key] for key in self._quantities[name].settings if key in known.near
        }
        facts["decimals"] = reading.decimals
        return self._facts.setdefault(name, StatedFacts()).prove(facts)

    def is_enclosed(self, name: str, reading: Reading, known: Known, age: float) -> bool:
        """Return whether the settings of other replies were the same before and after a value.

        Args:
            age: seconds from the check before the value to the value.
        """
        settings = [key for key in self._quantities[name].settings if key not in known.near]
        if not settings or reading.raw is None:
            return True
        changed = any(known.before.get(key) != known.after.get(key) for key in settings)
        claim = Claim(reading.raw, (), at(reading))
        return after_check(claim, self._last(name), age, changed) is Verdict.PROVEN

    def can_follow(self, name: str, value: Raw | None, reading: Reading, known: Known) -> bool:
        """Return whether a value can follow the last proven one, or the one just before; one that jumped is noted.

        Only for a quantity with ``reach`` whose state comes in another reply: an error may have come and gone between.
        """
        quantity, last = self._quantities[name], self._last(name)
        distant = any(key not in known.near for key in quantity.status_from)
        if quantity.reach is None or not distant or not isinstance(value, float | int):
            return True
        number, when = float(value), at(reading)
        if last.reaches(number, when) or last.is_confirmed(number, when):
            last.prove(number, when)
            return True
        last.is_to_confirm(number, when)
        return False

    def stated(self, name: str, known: Known) -> Stated:
        """Return what others state about a quantity."""
        quantity = self._quantities[name]
        lacking: str | None = None
        unit, unit_valid = quantity.unit, True
        if quantity.unit_from is not None and (raws := known.of(quantity.unit_from)):
            unit, unit_valid = self._meanings[quantity.unit_from].unit(raws[-1])
        decimals = None
        if quantity.decimals_from is not None:
            raws = known.of(quantity.decimals_from)
            decimals = stated_decimals(self._meanings[quantity.decimals_from], raws[-1]) if raws else None
            lacking = NO_DECIMALS if decimals is None else None
        text = None
        if quantity.text_from is not None and (raws := known.of(quantity.text_from)):
            text = self._text(self._meanings[quantity.text_from], raws[-1])
        if text is None and quantity.text_required:
            lacking = NO_TEXT
        states: list[State] = []
        for key in quantity.status_from:
            raws = known.of(key)
            if not raws or None in raws:
                lacking = f"no value: {key} cannot be read"
            states += [self._meanings[key].state(raw) for raw in raws]
        return Stated(unit, unit_valid, decimals, text, joined(states), lacking)

    def _text(self, meaning: Meaning, raw: Raw | None) -> str | None:
        return stated_text(meaning.label(raw)) if raw is not None else None

    def _last(self, name: str) -> LastProven:
        reach = self._quantities[name].reach
        return self._values.setdefault(
            name, LastProven(STAYS if reach is None else Reach(jump=reach.jump, rate=reach.rate))
        )


def at(reading: Reading) -> float:
    """Return when a reading was taken, in seconds."""
    return reading.stamp.monotonic_ns / NS
