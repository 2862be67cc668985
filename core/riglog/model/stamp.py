"""Time stamps: one per transaction, shared by all samples of the transaction."""

from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

NS = 1_000_000_000


class Stamp(Struct, frozen=True):
    """Times of one transaction with an instrument.

    ``received_ns``: when the last byte of the reply was read; UTC, nanoseconds since the epoch.
    ``latency_ns``: from the request to the reply; None without a request (broadcast, autoprint).
    ``monotonic_ns``: midpoint of the transaction on the monotonic clock, for order and rates.
    ``own_ns``: when the instrument states that it measured, of a sample that arrived in a burst; UTC, as
    ``received_ns``. It is then the midpoint, and ``monotonic_ns`` belongs to it.
    """

    received_ns: int
    latency_ns: int | None
    monotonic_ns: int
    own_ns: int | None = None

    @property
    def requested_ns(self) -> int | None:
        return None if self.latency_ns is None else self.received_ns - self.latency_ns

    @property
    def midpoint_ns(self) -> int:
        return self.received_ns - (self.latency_ns or 0) // 2 if self.own_ns is None else self.own_ns

    @property
    def received_at(self) -> datetime:
        return utc(self.received_ns)

    @property
    def requested_at(self) -> datetime | None:
        return None if self.requested_ns is None else utc(self.requested_ns)

    @property
    def midpoint_at(self) -> datetime:
        return utc(self.midpoint_ns)

    @property
    def latency_s(self) -> float | None:
        return None if self.latency_ns is None else self.latency_ns / NS


def utc(ns: int) -> datetime:
    """Return an aware datetime, truncated to microseconds."""
    seconds, rest = divmod(ns, NS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def iso(ns: int) -> str:
    """Return ISO 8601 UTC with microseconds and ``Z``: ``2026-11-20T12:00:00.000000Z``."""
    return "%s%06dZ" % (_second(ns // NS), ns % NS // 1000)  # noqa: UP031 - half the time of an f-string


def iso_times(received: int, latency: int | None, own: int | None) -> tuple[str | None, str, str]:
    """Return when the request of a stamp was sent, the reply was received, and the midpoint, each as ``iso`` does.

    They are nearly always within one second, which is formatted once: this is what a row of a text file costs.
    """
    if latency is None:
        text = iso(received)
        return None, text, text if own is None else iso(own)
    if own is not None:
        return iso(received - latency), iso(received), iso(own)
    rest = received % NS
    if not 0 <= latency <= rest:
        return iso(received - latency), iso(received), iso(received - latency // 2)
    second = _second(received // NS)
    return (
        "%s%06dZ" % (second, (rest - latency) // 1000),  # noqa: UP031
        "%s%06dZ" % (second, rest // 1000),  # noqa: UP031
        "%s%06dZ" % (second, (rest - latency // 2) // 1000),  # noqa: UP031
    )


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Return the part that all times within one second share; formatting it is the expensive part."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
