"""The state of the simulated instrument of an instrument file: what each quantity has, at any time. No protocol.

Numbers rise and fall steadily, each quantity in a range of its own, so that a value of another time, or of another
quantity, is recognised. States of the kind of labels, flags and texts stay until they are set.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from riglog.errors import ConfigError, WriteRefusedError
from riglog.instrument.description import Quantity, quantity_name
from riglog.instrument.proofs import Known, Proofs
from riglog.instrument.values import Meaning, Raw, Reading, Stated
from riglog.model import Channel, Stamp
from riglog.simulation import Course, Timeline, Truth

PERIOD = 600.0
"""Seconds in which a value rises and falls again."""
USUAL = (100.0, 20_000.0)
"""The raw numbers in which simulated values are, if their type can have them."""
SINGLE = 1e-6
"""The relative error of a number of single precision, with a margin."""
RAW = "raw:"
NO_STAMP = Stamp(0, None, 0)


class Fixed(NamedTuple):
    """What is transmitted, whatever the instrument measures."""

    raw: Raw


Has = Course | float | Fixed
"""What a quantity has: a course or a number as the instrument shows it, or what is transmitted."""


class SimulatedInstrument:
    """One instrument.

    Args:
        bounds: the smallest and the largest number that can be transmitted for a quantity.
        number: makes several instruments of one kind different: the bus address.
        identity: the quantities that distinguish one instrument from another: they do not move.

    Attributes:
        now: the time of the last request, in seconds.
        places: digits behind the point with which a number is sent; those of other numbers have single precision.
    """

    def __init__(
        self,
        quantities: Mapping[str, Quantity],
        meanings: Mapping[str, Meaning],
        bounds: Mapping[str, tuple[float, float]],
        number: int = 1,
        identity: Collection[str] = (),
    ) -> None:
        self.now = 0.0
        self.places: dict[str, int] = {}
        self.quantities = quantities
        self.meanings = meanings
        self._proofs = Proofs(quantities, meanings)
        self._bounds = bounds
        self._has: dict[str, Timeline[Has]] = {}
        stating = {ref for quantity in quantities.values() for ref in quantity.settings}
        for position, name in enumerate(quantities):
            first = self._first(name, position, number, name in stating)
            self._has[name] = Timeline(first.at(0.0) if name in identity and isinstance(first, Course) else first)

    # --- what is transmitted

    def raw(self, name: str, now: float) -> Raw:
        """Return what is transmitted for a quantity at a time."""
        has = self._has[name].at(now)
        if isinstance(has, Fixed):
            return has.raw
        number = has.at(now) if isinstance(has, Course) else has
        return self._raw_of(name, number)

    def write(self, name: str, raw: Raw) -> None:
        """Store what a request has written."""
        self._has[name].set(self.now, Fixed(raw))

    def set(self, name: str, text: str) -> None:
        """Set a quantity: a number, a label, names of flags between blanks, a text, ``raw:CODE``, or ``auto``.

        Raises:
            ConfigError: an unknown quantity, or an invalid value.
        """
        if name not in self.quantities:
            raise ConfigError(
                f"--set: quantity {name!r} unknown", hint=f"Available: {', '.join(list(self.quantities)[:12])}"
            )
        self._has[name].set(self.now, self._parsed(name, text))

    def _parsed(self, name: str, text: str) -> Has:
        meaning = self.meanings[name]
        try:
            if text == "auto":
                return self._first(name, list(self.quantities).index(name), 1, False)
            if text.startswith(RAW):
                code = text.removeprefix(RAW)
                return Fixed(
                    code if meaning.kind == "text" else float(code) if meaning.kind == "float" else int(code, 0)
                )
            if meaning.kind == "text":
                return Fixed(text)
            if meaning.flags:
                return Fixed(self._bits(name, text))
            if meaning.labels:
                return Fixed(meaning.to_send(text))
            stating = self.quantities[name].decimals_from
            places = self.stated(name, self.now).decimals if stating in self._has else None
            return Fixed(self._raw_of(name, float(text) * 10**places)) if places else float(text)
        except (ValueError, OverflowError, WriteRefusedError):
            raise ConfigError(f"--set: invalid value {text!r} for {name}") from None

    def _bits(self, name: str, text: str) -> int:
        wanted = set(text.split())
        flags = self.meanings[name].flags
        unknown = wanted - {flag for names in flags.values() for flag in names}
        if unknown:
            raise ValueError(unknown)
        return sum(1 << bit for bit, names in flags.items() if wanted & set(names))

    def _first(self, name: str, position: int, number: int, states: bool) -> Has:
        """Return what a quantity has before anything is set."""
        quantity, meaning = self.quantities[name], self.meanings[name]
        simulate = quantity.simulate
        if isinstance(simulate, tuple):
            low, high = sorted(map(float, simulate))
            return Course(low, high, PERIOD)
        if simulate is not None:
            return self._parsed(name, str(simulate))
        if meaning.kind == "text":
            return Fixed(
                next(iter(quantity.units or quantity.labels), f"{'A' if states else 'SIM'}{position}-{number}")
            )
        if meaning.flags:
            return Fixed(0)
        if meaning.labels:
            return Fixed(next(iter(meaning.labels)))
        if states:
            return 1.0
        lowest, highest = self._bounds[name]
        low, high = max(lowest, USUAL[0]), min(highest, USUAL[1])
        if low > high:
            low, high = lowest, highest
        part = (high - low) / 4
        start = low + part * ((position * 7 + number * 3) % 16) / 16
        ends = sorted(raw * quantity.scale + quantity.offset for raw in (start, start + 2 * part))
        if quantity.limits is not None:
            below, above = quantity.limits
            if not below <= ends[0] <= ends[1] <= above:
                span = above - below
                ends = [below + span * 0.25, below + span * 0.75]
        return Course(ends[0], ends[1], PERIOD, phase=position * 11.0)

    def _raw_of(self, name: str, number: float) -> Raw:
        quantity, meaning = self.quantities[name], self.meanings[name]
        raw = (number - quantity.offset) / quantity.scale
        if meaning.kind == "float" or not math.isfinite(raw):
            return raw
        lowest, highest = self._bounds[name]
        return round(min(max(raw, lowest), highest))

    # --- what is true

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        """Return what the instrument had from ``start`` to ``end``, one Truth for each state of what it refers to."""
        name = quantity_name(channel.parameter, channel.instance)
        if name not in self.quantities:
            return
        relevant = (name, *self.quantities[name].references)
        changes = {at for one in relevant for at, _, _ in self._has[one].between(start, end)} | {start, end}
        times = sorted(at for at in changes if start <= at <= end)
        for since, until in zip(times, times[1:] or times, strict=False):
            yield self._truth(name, since, until)

    def _truth(self, name: str, since: float, until: float) -> Truth:
        stated = self.stated(name, since)
        has = self._has[name].at(since)
        numbers = has.extremes(since, until) if isinstance(has, Course) else (has, has)
        meant = [self._meant(name, number, stated) for number in numbers]
        values = [value for value in meant if isinstance(value, float | int)]
        if len(values) != len(meant) or not stated.unit_valid:
            return Truth(None, None)
        step = abs(self.quantities[name].scale) * 10.0 ** -(stated.decimals or 0)
        if name in self.places:
            step *= 10.0 ** -self.places[name]
        elif self.meanings[name].kind == "float":
            step = max(map(abs, values)) * SINGLE
        return Truth(min(values), max(values), stated.unit, step)

    def _meant(self, name: str, number: float | Fixed, stated: Stated) -> Raw | None:
        raw = number.raw if isinstance(number, Fixed) else self._raw_of(name, number)
        return self.meanings[name].interpret(Reading(raw, NO_STAMP), stated).value

    def stated(self, name: str, now: float) -> Stated:
        """Return what other quantities state about one, at a time."""
        near = {ref: self.raw(ref, now) for ref in self.quantities[name].references}
        return self._proofs.stated(name, Known({}, {}, near))
