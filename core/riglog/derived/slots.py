"""The rows of one derived channel: which rows of its inputs belong together, and when. Pure.

Theory of operation. The inputs with the highest rate lead: a slot of theirs is a slot of the derived channel, and has
exactly one row. It is written when every leading input has its row of the slot; if one has none, when all of them have
their row of a later slot, or WAIT_SECONDS after the first row of the slot. Of another input the newest row counts, if
it is not older than two of its periods. If no input has slots, each row of the first one gives a row.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import Struct

from riglog.derived.arithmetic import ARITHMETIC_ERRORS
from riglog.derived.definition import Derived
from riglog.derived.window import NoValueError, Window
from riglog.errors import describe
from riglog.log import get_logger
from riglog.model import NS, Sample, Stamp, Status
from riglog.model.numbers import is_measurable

WAIT_SECONDS = 15.0
"""Longer than it takes until a poll that hangs has its row."""
WAIT_PERIODS = 3
USABLE_PERIODS = 2
HISTORY = 256
"""Rows of an input that does not lead, for slots that are completed late."""
REMEMBERED = 1000
"""Slots whose rows are written: rows of a device that was moved to another port may come after those of later slots."""
SMALL_STEP_NS = NS // 2
"""Times of rows differ by so much without the clock having been set."""
log = get_logger("riglog.derived")

TickedSample = tuple[int | None, str, Sample]
"""A row of an input: its slot, the name of its channel, and the sample."""


class OpenSlot(Struct):
    """A slot whose row is not written: when its first row came (monotonic), and the rows of leading inputs."""

    since_ns: int
    rows: dict[str, Sample]


class DerivedSlots:
    """Makes the rows of a derived channel from the rows of its inputs."""

    def __init__(self, derived: Derived) -> None:
        self.inputs = frozenset(derived.formula.inputs)
        self.source = ""  # of the newest row of an input
        self._derived = derived
        self._channel = derived.channel
        self._wait_ns = round(max(WAIT_SECONDS, WAIT_PERIODS * derived.period_s) * NS)
        self._leads = {*derived.leads}
        self._history: dict[str, deque[Sample]] = {name: deque(maxlen=HISTORY) for name in self.inputs}
        self._units: dict[str, str | None] = {**derived.input_units}
        self._windows = _windows(derived, self._wait_ns / NS)
        self._open: dict[int, OpenSlot] = {}
        self._closed: set[int] = set()
        self._forgotten = -1  # slots up to this one have their rows
        self._last: tuple[int, Stamp] | None = None  # of the newest row; when it was received, on the monotonic clock
        self._failed = False

    def take(self, source: str, samples: Iterable[TickedSample], now_ns: int) -> list[tuple[int | None, Sample]]:
        """Take rows of inputs, and return the rows that are complete with them, each with its slot."""
        rows: list[tuple[int | None, Sample]] = []
        complete = -1
        for tick, name, sample in samples:
            self.source = source
            self._look_back(tick, name, sample)
            if tick is None and name in self._leads:  # its device sets the pace, which the driver did not know
                self._leads.discard(name)
                rows += self.rest() if not self._leads else ()
            if name in self._leads and tick is not None:
                if tick not in self._closed and tick > self._forgotten:
                    slot = self._open.setdefault(tick, OpenSlot(now_ns, {}))
                    slot.rows[name] = sample
                    complete = max(complete, tick if len(slot.rows) == len(self._leads) else -1)
                continue
            self._history[name].append(sample)
            if not self._leads and name == self._derived.formula.inputs[0]:
                rows.append((tick, self._row({name: sample})))
        return rows + self._close(complete)

    def late(self, now_ns: int) -> list[tuple[int | None, Sample]]:
        """Return the rows of slots that have waited for long enough."""
        return self._close(max((tick for tick, slot in self._open.items() if self._is_late(slot, now_ns)), default=-1))

    def rest(self) -> list[tuple[int | None, Sample]]:
        """Return the rows of all slots that are waiting."""
        return self._close(max(self._open, default=-1))

    def _is_late(self, slot: OpenSlot, now_ns: int) -> bool:
        return slot.since_ns + self._wait_ns <= now_ns

    def _close(self, until: int) -> list[tuple[int | None, Sample]]:
        ticks = sorted(tick for tick in self._open if tick <= until)
        self._closed.update(ticks)
        if len(self._closed) > 2 * REMEMBERED:
            self._forgotten = max(self._closed) - REMEMBERED
            self._closed = {tick for tick in self._closed if tick > self._forgotten}
        return [(tick, self._row(self._open.pop(tick).rows)) for tick in ticks]

    def _look_back(self, tick: int | None, name: str, sample: Sample) -> None:
        window = self._windows.get(name)
        if window is not None:
            value = _number(sample)
            suspect = sample.status is Status.SUSPECT
            window.add(tick, sample.stamp.monotonic_ns, value, suspect=suspect, unit=sample.unit)

    # --- one row

    def _row(self, rows: Mapping[str, Sample]) -> Sample:
        """Return the row of a slot, from the rows of its leading inputs."""
        received_ns, stamp = self._stamp(rows)
        value, status, error = None, Status.MISSING, None
        try:
            inputs = SlotInputs(self._inputs(rows, received_ns), self._windows)
            value = self._derived.formula.evaluate(inputs)
            status, error = (Status.SUSPECT, inputs.doubt) if inputs.doubt else (Status.OK, None)
            if not is_measurable(value):
                raise OverflowError
        except NoValueError as reason:
            value, status, error = None, Status.MISSING, str(reason)
        except ARITHMETIC_ERRORS:
            value, status, error = None, Status.OUT_OF_RANGE, "the formula has no finite value"
        except Exception as failure:  # recording goes on whatever a formula does
            if not self._failed:
                self._failed = True
                log.exception("derived channel %s: the formula could not be evaluated", self._channel)
            value, status, error = None, Status.MISSING, f"the formula could not be evaluated: {describe(failure)}"
        return Sample(
            channel=self._channel, stamp=stamp, value=value, unit=self._channel.unit, status=status, error=error
        )

    def _stamp(self, rows: Mapping[str, Sample]) -> tuple[int, Stamp]:
        """Return the times of a row: those of the newest row of its slot. They never go back."""
        found = max(((_received_ns(sample.stamp), sample.stamp) for sample in rows.values()), key=lambda pair: pair[0])
        at_ns, stamp = found
        last = self._last
        if last is not None and at_ns < last[0]:
            at_ns, stamp = last
        elif last is not None and 0 < last[1].received_ns - stamp.received_ns < SMALL_STEP_NS:
            stamp = Stamp(last[1].received_ns, None, stamp.monotonic_ns, stamp.own_ns)
        else:
            own = stamp.own_ns
            stamp = Stamp(stamp.received_ns, None, at_ns if own is None else stamp.monotonic_ns, own)
        self._last = at_ns, stamp
        return self._last

    def _inputs(self, rows: Mapping[str, Sample], at_ns: int) -> dict[str, Sample]:
        """Return the row of each input that counts for a slot.

        Raises:
            NoValueError: an input has none, or none that can be used.
        """
        found = {}
        for name in self._derived.formula.inputs:
            sample = rows.get(name) or (None if name in self._leads else self._newest(name, at_ns))
            if sample is None:
                raise NoValueError(f"no row of {name} for this slot")
            if _number(sample) is None:
                number = sample.status in (Status.OK, Status.SUSPECT)
                raise NoValueError(f"no number from {name}" + ("" if number else f": {sample.status.value}"))
            if sample.unit != self._units.setdefault(name, sample.unit):
                raise NoValueError(f"{name} is in {sample.unit or 'an unknown unit'}, not in {self._units[name]}")
            found[name] = sample
        return found

    def _newest(self, name: str, at_ns: int) -> Sample | None:
        """Return the newest row of an input that does not lead, up to a time, if it is new enough."""
        oldest_ns = at_ns - round(USABLE_PERIODS * self._derived.periods[name] * NS)
        for sample in reversed(self._history[name]):
            if _received_ns(sample.stamp) <= at_ns:
                return sample if _received_ns(sample.stamp) >= oldest_ns else None
        return None


class SlotInputs:
    """What the formula of a slot sees. ``doubt``: why its value is suspect; None if it is not."""

    def __init__(self, samples: Mapping[str, Sample], windows: Mapping[str, Window]) -> None:
        self._samples = samples
        self._windows = windows
        doubtful = [name for name, sample in samples.items() if sample.status is Status.SUSPECT]
        self.doubt = f"{', '.join(doubtful)}: suspect" if doubtful else None

    def value(self, channel: str) -> float:
        number = _number(self._samples[channel])
        assert number is not None, "checked before"
        return number

    def window(self, function: str, channel: str, seconds: float) -> float:
        at_ns = self._samples[channel].stamp.monotonic_ns
        value, suspect = self._windows[channel].result(function, seconds, at_ns)
        if suspect and self.doubt is None:
            self.doubt = f"{function} of {channel}: less than half of the values, or a suspect one"
        return value


def _windows(derived: Derived, hold_s: float) -> dict[str, Window]:
    longest: dict[str, float] = {}
    for use in derived.formula.windows:
        longest[use.channel] = max(longest.get(use.channel, 0.0), use.seconds)
    return {name: Window(seconds, hold_s, derived.periods[name]) for name, seconds in longest.items()}


def _number(sample: Sample) -> float | None:
    """Return the number of a row that can be used."""
    value = sample.value
    if value is None or isinstance(value, str) or sample.status not in (Status.OK, Status.SUSPECT):
        return None
    return float(value) if is_measurable(float(value)) else None


def _received_ns(stamp: Stamp) -> int:
    """Return when a row was received, on the monotonic clock."""
    return stamp.monotonic_ns + stamp.received_ns - stamp.midpoint_ns
