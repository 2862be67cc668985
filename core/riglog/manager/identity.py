"""Which instrument a device must be, and how far that is confirmed. Pure: found identities and times are arguments.

Another identity is another instrument. No reply, and a refusal, are not: they prove neither the one nor the other.
"""

from collections import deque

from msgspec import Struct

from riglog.model import IDENTITY, EventKind, iso, storable

MARGIN_SECONDS = 0.02
"""Idle time that a check must leave before the next slot, beyond twice the time that it usually takes."""
RETRY_SECONDS = 5.0
"""After a check between two polls that got no identity, unless the interval is shorter."""

RECENT_CHECKS = 5
NO_REQUEST_SECONDS = 0.001
"""No instrument responds to a request within this time."""


class Finding(Struct, frozen=True):
    """A change of state to be reported as an event."""

    kind: EventKind
    message: str


class KnownIdentity:
    """The identity that a device must have. It belongs to the run, not to the connection.

    Args:
        interval: seconds between two checks while the device is polled without interruption; 0: no such checks.

    Attributes:
        expected: the identity that was found first, or was stored with the run; None: not known, nothing is claimed.
        confirmed: False: no value is accepted before the identity was read again.
        mismatch: the reason why values are not recorded: another instrument responds. None: no other one was found.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.expected: str | None = None
        self.confirmed = True
        self.mismatch: str | None = None
        self._reported = True  # the instrument that is confirmed reports its identity
        self._confirmed_utc_ns: int | None = None
        self._next_check = 0.0
        self._seconds: deque[float] = deque(maxlen=RECENT_CHECKS)

    def learn(self, found: str | None, utc_ns: int) -> bool:
        """Expect the identity that was found when the device was opened. False: another one is expected already."""
        if self.expected is not None and (found is None or storable(found) != self.expected):
            return False
        self.compare(found, utc_ns)  # not a change of state: the identity is stored with the run
        return True

    def is_other(self, found: str | None) -> bool:
        """Return True for the identity of another instrument than the expected one."""
        return found is not None and self.expected is not None and storable(found) != self.expected

    def forget(self) -> None:
        """Expect no identity any more."""
        self.expected, self.mismatch, self._reported, self._confirmed_utc_ns = None, None, True, None

    def compare(self, found: str | None, utc_ns: int) -> Finding | None:
        """Note the identity that an instrument reported; None: it reports none. Return the change of state, if any."""
        found = None if found is None else storable(found)
        if found is None:
            return self._not_reported()
        if self.is_other(found):
            return self._other(found, utc_ns)
        first, again = self.expected is None, self.mismatch is not None or not self._reported
        self.expected, self.confirmed, self.mismatch, self._reported = found, True, None, True
        self._confirmed_utc_ns = utc_ns
        if first:
            return Finding(EventKind.IDENTITY_EXPECTED, IDENTITY + found)
        return Finding(EventKind.IDENTITY_CONFIRMED, f"identity confirmed again: {found}") if again else None

    def _not_reported(self) -> Finding | None:
        """A device that has reported an identity before may have lost one reply: its values are recorded."""
        if self.mismatch is not None:  # another one was found, and this is no proof that it is gone
            return None
        self.confirmed = True
        if self.expected is None or not self._reported:
            return None
        self._reported = False
        return Finding(
            EventKind.IDENTITY_UNCONFIRMED,
            f"identity not reported any more, expected {self.expected}; values are recorded without confirmation",
        )

    def _other(self, found: str, utc_ns: int) -> Finding | None:
        mismatch = f"wrong instrument: expected {self.expected}, found {found}; values are not recorded"
        since = self._confirmed_utc_ns if self.confirmed else None  # else values were withheld since the interruption
        news = mismatch != self.mismatch
        self.confirmed, self.mismatch = False, mismatch
        if not news:
            return None
        if since is None:
            return Finding(EventKind.WRONG_INSTRUMENT, mismatch)
        return Finding(
            EventKind.WRONG_INSTRUMENT,
            f"{mismatch}; those from {iso(since)} (last confirmed) to {iso(utc_ns)} (this check) may be from either",
        )

    # --- when to check between two polls

    def note_check(self, now: float, seconds: float) -> None:
        """Note that a check ended, and what it took."""
        self._seconds.append(seconds)
        self._next_check = now + self.interval

    def note_failure(self, now: float) -> None:
        """Note that a check had no reply, or was refused. What that took is not what a check takes."""
        self._next_check = now + min(self.interval, RETRY_SECONDS)

    def note_cut(self, now: float, seconds: float) -> None:
        """Note that a check was cancelled after this time, because the next slot was due: it takes longer."""
        self._seconds += (seconds, seconds)
        self.note_failure(now)

    @property
    def next_check(self) -> float | None:
        """When a check between two polls is due, in seconds; None: there is nothing to compare, or it is off."""
        if not self.interval or self.expected is None or not self.confirmed:
            return None  # a device that is not confirmed is checked by every poll
        return self._next_check

    def is_due(self, now: float) -> bool:
        """Return True if a check is due."""
        return self.next_check is not None and now >= self.next_check

    @property
    def usual_seconds(self) -> float:
        """The longest of the last checks but one: in one of them a reply may have been lost."""
        return sorted(self._seconds)[-2:][0] if self._seconds else 0.0

    @property
    def costs_nothing(self) -> bool:
        """True if the identity is known from what the device sends of its own accord: nothing is requested."""
        return min(self._seconds, default=0.0) < NO_REQUEST_SECONDS

    @property
    def needs_seconds(self) -> float:
        """Idle time that must be left before the next slot, so that a check does not make it late."""
        return 2 * self.usual_seconds + MARGIN_SECONDS
