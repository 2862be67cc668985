"""One alarm on one channel: which of its conditions hold. Pure; times are arguments, in ns on the monotonic clock.

What is not known clears nothing. A value counts as proof that a condition has ended only if its status is ``ok`` (and
its unit the expected one); a ``suspect`` value can raise an alarm, and never clears one. A row without a value leaves
limits as they are, and without a usable value for long enough the alarm is raised for that reason.
"""

import math
from enum import StrEnum

from msgspec import Struct

from riglog.alarms.definition import Alarm
from riglog.model import NS, Sample, Status


class Condition(StrEnum):
    """Why an alarm is raised."""

    HIGH = "high"
    LOW = "low"
    RATE = "rate"
    STATUS = "status"
    TEXT = "text"
    STALE = "stale"
    BEFORE = "before"  # it was raised when the run broke off, and no value has shown otherwise since


class Turn(Struct, frozen=True):
    """A change: the alarm is raised, for these reasons, or cleared. ``value`` and ``text`` are those of its sample."""

    raised: bool
    conditions: tuple[Condition, ...]
    value: float | None
    text: str | None
    unit: str | None


class ChannelAlarm:
    """The state of an alarm on a channel. ``active`` are the conditions for which it is raised."""

    def __init__(self, alarm: Alarm, channel: str, now_ns: int) -> None:
        self.alarm = alarm
        self.channel = channel
        self.active: set[Condition] = set()
        self.acknowledged = True
        self._since: dict[Condition, int] = {}  # conditions that hold, raised already or not
        self._fresh_ns = now_ns
        self._last_ok: tuple[int, float, str | None] | None = None  # time, value, unit
        self._value: float | None = None
        self._text: str | None = None
        self._unit: str | None = None

    @property
    def is_shown(self) -> bool:
        """True while it is raised, and after that until it is acknowledged."""
        return bool(self.active) or not self.acknowledged

    def take(self, sample: Sample) -> Turn | None:
        """Evaluate a sample of the channel."""
        alarm, now_ns = self.alarm, sample.stamp.monotonic_ns
        number, label = _content(sample)
        comparable = alarm.unit is None or sample.unit == alarm.unit
        usable = sample.status is Status.OK and (number is not None or label is not None) and comparable
        if number is not None or label is not None:
            self._value, self._text, self._unit = number, label, sample.unit
        if number is not None and comparable:
            self._compare(Condition.HIGH, alarm.high, number, now_ns, usable=usable)
            self._compare(Condition.LOW, alarm.low, number, now_ns, usable=usable)
            self._compare_rate(number, sample.unit, now_ns, usable=usable)
        if alarm.status:
            self._set(Condition.STATUS, sample.status in alarm.status, now_ns, usable=usable)
        if alarm.text:
            self._set(Condition.TEXT, label in alarm.text, now_ns, usable=usable)
        if usable and self._is_within_limits(number):
            self._since.pop(Condition.BEFORE, None)
        if usable:
            self._fresh_ns = max(self._fresh_ns, now_ns)
            self._since.pop(Condition.STALE, None)
        return self.look(now_ns)

    def resume(self, now_ns: int, *, active: bool, acknowledged: bool) -> None:
        """Take over the state that the alarm had when its run broke off."""
        if active:
            self._since[Condition.BEFORE] = now_ns
            self.active.add(Condition.BEFORE)
        self.acknowledged = acknowledged

    def look(self, now_ns: int) -> Turn | None:
        """Evaluate what depends on the time only."""
        if now_ns - self._fresh_ns > self.alarm.stale_ns:
            self._since.setdefault(Condition.STALE, now_ns)
        held = {
            condition
            for condition, since in self._since.items()
            if condition in self.active or condition is Condition.STALE or now_ns - since >= self.alarm.hold_ns
        }
        new, was_active = held - self.active, bool(self.active)
        self.active = held
        if new:
            self.acknowledged = False
            return self._turn(raised=True, conditions=new)
        return self._turn(raised=False, conditions=set()) if was_active and not held else None

    def due_ns(self) -> int:
        """Return when ``look`` has to be called next, if there is no sample until then."""
        waiting = [at + self.alarm.hold_ns for condition, at in self._since.items() if condition not in self.active]
        return min([self._fresh_ns + self.alarm.stale_ns + 1, *waiting] if not self._is_stale else waiting or [2**63])

    @property
    def _is_stale(self) -> bool:
        return Condition.STALE in self._since

    def _is_within_limits(self, number: float | None) -> bool:
        """Return whether a value is so far within the limits that it clears an alarm."""
        alarm = self.alarm
        if number is None:
            return alarm.high is None and alarm.low is None
        return (alarm.high is None or number <= alarm.high - alarm.hysteresis) and (
            alarm.low is None or number >= alarm.low + alarm.hysteresis
        )

    def _compare(self, condition: Condition, limit: float | None, number: float, now_ns: int, *, usable: bool) -> None:
        if limit is None:
            return
        above = number - limit if condition is Condition.HIGH else limit - number
        if above > 0:
            self._since.setdefault(condition, now_ns)
        elif usable and (condition not in self.active or above <= -self.alarm.hysteresis):
            self._since.pop(condition, None)

    def _compare_rate(self, number: float, unit: str | None, now_ns: int, *, usable: bool) -> None:
        if self.alarm.rate is None:
            return
        last = self._last_ok
        if last is not None and last[2] == unit and now_ns > last[0]:
            rate = abs(number - last[1]) / ((now_ns - last[0]) / NS)
            self._set(Condition.RATE, rate > self.alarm.rate, now_ns, usable=usable)
        if usable:
            self._last_ok = now_ns, number, unit

    def _set(self, condition: Condition, holds: bool, now_ns: int, *, usable: bool) -> None:
        if holds:
            self._since.setdefault(condition, now_ns)
        elif usable:
            self._since.pop(condition, None)

    def _turn(self, *, raised: bool, conditions: set[Condition]) -> Turn:
        ordered = tuple(condition for condition in Condition if condition in conditions)
        return Turn(raised, ordered, self._value, self._text, self._unit)


def _content(sample: Sample) -> tuple[float | None, str | None]:
    """Return the number and the text of a sample."""
    value = sample.value
    if isinstance(value, str):
        return None, value
    number = float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
    return number, sample.text if value is not None else None
