"""Rule S: the proof of a value whose meaning depends on settings that can be changed at the instrument. Pure.

A setting is a unit, a word order, decimal places, the kind of an input. A person does not change one and change it back
within a second. Therefore a value is proven

- at once, if the last check of its settings is at most one second old, and only the assumed settings make it a value
  that can follow the last proven one;
- otherwise by a check after it, in the same poll. If a setting has changed, the value is read again.
"""

from collections.abc import Hashable, Iterable
from enum import Enum
from math import inf
from typing import Generic, TypeVar

from msgspec import Struct

from riglog.device.proof_reach import LastProven, Quantity

__all__ = ["MAX_CHECK_AGE", "Claim", "KnownSettings", "Verdict", "after_check", "before_check"]

MAX_CHECK_AGE = 1.0
"""Seconds for which a check of the settings counts."""

Key = TypeVar("Key", bound=Hashable)
Setting = TypeVar("Setting")


class Verdict(Enum):
    PROVEN = "proven"
    CHECK = "check"  # the settings are to be read now
    AGAIN = "again"  # the value is to be read again


class Claim(Struct, frozen=True):
    """A transmitted value under the settings that are assumed and under all others, in one unit.

    Attributes:
        assumed, others: None where the value would be impossible.
        at: when it was read, in seconds.
    """

    assumed: Quantity | None
    others: tuple[Quantity | None, ...]
    at: float

    def is_evident(self, last: LastProven) -> bool:
        """Return whether the assumed settings, and no others, make it a value that can follow the last proven one."""
        return last.reaches(self.assumed, self.at) and not any(
            last.reaches(other, self.at) for other in self.others if other != self.assumed
        )


def before_check(claim: Claim, last: LastProven, age: float) -> Verdict:
    """Return whether a value needs a check.

    Args:
        age: seconds from the last check of its settings to the value.
    """
    return Verdict.PROVEN if age <= MAX_CHECK_AGE and claim.is_evident(last) else Verdict.CHECK


def after_check(claim: Claim, last: LastProven, age: float, changed: bool) -> Verdict:
    """Return what a check that was made after a value proves.

    Args:
        age: seconds from the check before the value to the value.
        changed: whether the two checks differ in a setting of the value.
    """
    if changed:
        return Verdict.AGAIN
    needs_no_more = claim.assumed is None  # it is no value, and that needs no proof
    is_enclosed = age <= MAX_CHECK_AGE
    return Verdict.PROVEN if needs_no_more or is_enclosed or last.reaches(claim.assumed, claim.at) else Verdict.AGAIN


class KnownSettings(Generic[Key, Setting]):
    """The settings of one instrument, as they were read last, and when."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[Setting, float]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    def get(self, key: Key) -> Setting | None:
        """Return a setting as it was read last; None if it never was."""
        known = self._known.get(key)
        return None if known is None else known[0]

    def age(self, keys: Iterable[Key], at: float) -> float:
        """Return the seconds since the oldest of the last checks; infinite if one was never read."""
        oldest = at
        for key in keys:  # done for every value: a list and min() take twice as long
            known = self._known.get(key)
            if known is None:
                return inf
            if known[1] < oldest:
                oldest = known[1]
        return at - oldest

    def note(self, key: Key, setting: Setting, at: float) -> bool:
        """Note what was read; return whether it differs from what was known."""
        before = self._known.get(key)
        self._known[key] = (setting, at)
        return before is None or before[0] != setting

    def forget(self) -> None:
        """Forget everything: it may be another instrument."""
        self._known.clear()
