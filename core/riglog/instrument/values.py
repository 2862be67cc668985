"""From what an instrument transmits to a value: scale, labels, flags, special numbers, unit. Pure.

A ``Meaning`` is made once for each quantity. It knows no other quantity: what others state comes as ``Stated``.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from msgspec import Struct

from riglog.errors import WriteRefusedError
from riglog.instrument.description import Effect, Instead, Quantity
from riglog.model import OK, Stamp, Status
from riglog.model.numbers import is_measurable

Raw = float | int | str
"""A number, a code, the bits of a word, or a text, as it was transmitted."""
RawKind = Literal["int", "float", "text"]

LARGEST_EXACT = 2**53
"""Whole numbers beyond it have no exact float."""
MOST_DECIMALS = 12

UNIT_UNKNOWN = "unit unknown: the instrument states one that the instrument file does not have"
INSTEAD: dict[Instead, tuple[Status, str]] = {
    "out_of_range": (Status.OUT_OF_RANGE, "no value: out of range"),
    "fault": (Status.FAULT, "no value: fault"),
    "missing": (Status.MISSING, "no value: the instrument has none now"),
    "off": (OK, "switched off"),
}
EFFECTS: dict[Effect, Status] = {
    "flag": OK,
    "suspect": Status.SUSPECT,
    "fault": Status.FAULT,
    "no_value": Status.FAULT,
    "out_of_range": Status.OUT_OF_RANGE,
}
_WORSE = (OK, Status.SUSPECT, Status.OUT_OF_RANGE, Status.FAULT)
_KEEPS_VALUE = frozenset({"flag", "suspect", "fault"})


class Reading(NamedTuple):
    """One quantity as it was transmitted.

    Attributes:
        raw: None: the instrument sent something else instead.
        stamp: of the reply; readings of one reply have the same one.
        instead: what it sent means; None: it is a number.
        decimals: digits behind the point, if the reply shows them.
    """

    raw: Raw | None
    stamp: Stamp
    payload: bytes | None = None
    instead: Instead | None = None
    decimals: int | None = None


class State(NamedTuple):
    """What a quantity with flags or labels means for the values that refer to it."""

    status: Status = OK
    flags: tuple[str, ...] = ()
    keeps_value: bool = True
    reason: str | None = None

    def joined(self, other: "State") -> "State":
        """Return both together: the worse status, and the flags of both."""
        worse = self if _WORSE.index(self.status) >= _WORSE.index(other.status) else other
        flags = tuple(dict.fromkeys((*self.flags, *other.flags)))
        reason = next((s.reason for s in (self, other) if not s.keeps_value), None)
        return State(worse.status, flags, self.keeps_value and other.keeps_value, reason)


class Stated(Struct, frozen=True):
    """What other quantities state about one.

    Attributes:
        unit: None: unknown.
        unit_valid: False: a setting has a value that it cannot have.
        decimals: None: not stated.
        text: None: not stated.
        lacking: why there can be no value; None: nothing is lacking.
    """

    unit: str | None = None
    unit_valid: bool = True
    decimals: int | None = None
    text: str | None = None
    state: State = State()
    lacking: str | None = None


class Interpretation(NamedTuple):
    """The fields of a sample."""

    value: Raw | None
    unit: str | None
    status: Status = OK
    flags: tuple[str, ...] = ()
    error: str | None = None
    text: str | None = None


class Meaning:
    """What the numbers of one quantity mean.

    Args:
        kind: of what is transmitted.
    """

    def __init__(self, name: str, quantity: Quantity, kind: RawKind) -> None:
        self.name = name
        self.quantity = quantity
        self.kind = kind
        self.labels = {as_raw(code, kind): label for code, label in quantity.labels.items()}
        self.flags = {int(bit): tuple(names.split()) for bit, names in quantity.flags.items()}
        self.special = {as_raw(code, kind): what for code, what in quantity.special.items()}
        self._units = {code.casefold(): unit for code, unit in quantity.units.items()}

    # --- reading

    def interpret(self, reading: Reading, stated: Stated) -> Interpretation:
        """Return the meaning of a reading."""
        quantity, raw = self.quantity, reading.raw
        unit, flags, state = stated.unit, stated.state.flags, stated.state
        instead = reading.instead if raw is None else self.special.get(raw)
        if instead is not None:
            return self._instead(instead, unit, flags)
        if stated.lacking is not None or raw is None:
            return Interpretation(None, unit, Status.MISSING, flags, stated.lacking)
        if self.flags and isinstance(raw, int):
            own = self.state(raw)
            return Interpretation(raw, None, own.status, own.flags)
        if self.labels or isinstance(raw, str):
            text = self.labels.get(raw, stated.text)
            own = self.state(raw)
            return Interpretation(raw, unit, own.joined(state).status, (*flags, *own.flags), None, text)
        value = self.scaled(raw, stated.decimals)
        if value is None or not is_measurable(value):
            error = "no value: the number cannot have been measured"
            return Interpretation(None, unit, _worse(Status.OUT_OF_RANGE, state.status), flags, error, stated.text)
        if not state.keeps_value:
            return Interpretation(None, unit, state.status, flags, state.reason, stated.text)
        if quantity.limits is not None and not quantity.limits[0] <= value <= quantity.limits[1]:
            error = f"{value:g} is outside the range of the parameter"
            return Interpretation(None, unit, _worse(Status.OUT_OF_RANGE, state.status), flags, error, stated.text)
        if not stated.unit_valid:
            flags = (*flags, "unit_unknown")
            return Interpretation(value, None, _worse(Status.SUSPECT, state.status), flags, UNIT_UNKNOWN, stated.text)
        return Interpretation(value, unit, state.status, flags, None, stated.text)

    def scaled(self, raw: float | int, decimals: int | None = None) -> float | int | None:
        """Return the value of a number, correctly rounded; None if it is too long to be exact."""
        if isinstance(raw, int) and abs(raw) > LARGEST_EXACT:
            return None
        scale, offset = self.quantity.scale, self.quantity.offset
        if scale == 1 and offset == 0 and not decimals:
            return raw
        if not math.isfinite(raw):
            return raw
        exact = Decimal(raw) * Decimal(repr(scale))
        return float(exact.scaleb(-(decimals or 0)) + Decimal(repr(offset)))

    def state(self, raw: Raw | None) -> State:
        """Return what a reading means for the values that refer to this quantity."""
        effect = self.quantity.effect
        state = State()
        if self.flags and isinstance(raw, int):
            for bit, names in self.flags.items():
                if raw >> bit & 1:
                    state = state.joined(_state(names, [effect[name] for name in names if name in effect]))
            return state
        label = self.label(raw)
        return _state((word(label),), [effect[label]]) if label in effect else state

    def label(self, raw: Raw | None) -> str:
        """Return the label of a code; without one the code itself."""
        return self.labels.get(raw, str(raw)) if raw is not None else ""

    def unit(self, raw: Raw | None) -> tuple[str | None, bool]:
        """Return the unit that a reading states, and whether it is one."""
        if raw is None:
            return None, False
        text = self.label(raw)
        unit = self._units.get(text.casefold())
        if unit is None and self.kind == "text" and not self.labels:
            return text or None, text.isprintable()
        return unit, unit is not None

    def _instead(self, instead: Instead, unit: str | None, flags: tuple[str, ...]) -> Interpretation:
        status, error = INSTEAD[instead]
        text = "Off" if instead == "off" else None
        return Interpretation(None, unit, status, (*flags, "off") if text else flags, error, text)

    # --- writing

    def to_send(self, text: str, decimals: int | None = None) -> Raw:
        """Return what to transmit for a value as a person writes it: a number, a code, or a label in any case.

        Raises:
            WriteRefusedError: the quantity cannot have this value.
        """
        codes = [code for code, label in self.labels.items() if label.casefold() == text.casefold()]
        if codes:
            return codes[0]
        if self.kind == "text":
            raise self._invalid(text)
        try:
            number = Decimal(text)
        except ArithmeticError:
            raise self._invalid(text) from None
        if not number.is_finite() or abs(number.adjusted()) > 40:
            raise self._invalid(text)
        if self.labels:
            if number != int(number) or int(number) not in self.labels:
                raise self._invalid(text)
            return int(number)
        raw = ((number - Decimal(repr(self.quantity.offset))) / Decimal(repr(self.quantity.scale))).scaleb(
            decimals or 0
        )
        if self.kind == "float":
            return float(raw)
        if raw != int(raw):
            step = self.quantity.scale * 10.0 ** -(decimals or 0)
            raise WriteRefusedError(
                f"{text} cannot be transmitted exactly to {self.name}", hint=f"Give a multiple of {step:g}"
            )
        return int(raw)

    def _invalid(self, text: str) -> WriteRefusedError:
        labels = ", ".join(f"{label!r}" for label in self.labels.values())
        hint = f"Allowed values: {labels}" if labels else "Give a number"
        return WriteRefusedError(f"invalid value {text!r} for {self.name}", hint=hint)


def as_raw(code: str, kind: RawKind) -> Raw:
    """Return a code of an instrument file as it is transmitted.

    Raises:
        ValueError: it is not a number.
    """
    if kind == "text":
        return code
    try:
        return int(code, 0)
    except ValueError:
        number = float(code)
        if not math.isfinite(number):
            raise
        return number


def word(label: str) -> str:
    """Return a label as a flag: one word in lower case."""
    return "_".join(label.lower().split())


def stated_text(raw: Raw | None) -> str | None:
    """Return the text that a reading states; None if it is empty."""
    return str(raw) if raw not in (None, "") else None


def stated_decimals(meaning: Meaning, raw: Raw | None) -> int | None:
    """Return the number of decimals that a reading states; None if it cannot be one."""
    if raw is None:
        return None
    label = meaning.label(raw)
    return int(label) if label.isdecimal() and len(label) < 3 and int(label) <= MOST_DECIMALS else None


def joined(states: Sequence[State]) -> State:
    """Return all states together."""
    result = State()
    for state in states:
        result = result.joined(state)
    return result


def _state(names: tuple[str, ...], effects: Sequence[Effect]) -> State:
    if not effects:
        return State(OK, names)
    worst = max(effects, key=lambda effect: _WORSE.index(EFFECTS[effect]))
    keeps = all(effect in _KEEPS_VALUE for effect in effects)
    reason = None if keeps else f"no value: the instrument reports {' '.join(names).replace('_', ' ')}"
    return State(EFFECTS[worst], names, keeps, reason)


def _worse(one: Status, other: Status) -> Status:
    return max(one, other, key=_WORSE.index)


Meanings = Mapping[str, Meaning]
