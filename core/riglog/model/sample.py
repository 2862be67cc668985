"""A sample: one value of one channel at one instant, or the visible absence of one."""

from enum import StrEnum

from msgspec import Struct

from riglog.model.channel import Channel
from riglog.model.stamp import Stamp

Value = float | int | bool | str | None


class Status(StrEnum):
    """What a sample is worth. Small and closed; everything a vendor adds goes into ``flags``."""

    OK = "ok"
    SUSPECT = "suspect"  # the instrument says so itself: warming up, calibrating, unstable sensor
    OUT_OF_RANGE = "out_of_range"  # overload, under range: no value
    FAULT = "fault"  # sensor or instrument failure
    MISSING = "missing"  # it was asked, and no value came
    SKIPPED = "skipped"  # the slot was due, and nothing was asked: port lost, breaker open


OK = Status.OK


class Sample(Struct, frozen=True, kw_only=True):
    """One value of one channel.

    ``value`` is what the instrument said, never repeated, cached or guessed; None when there is none, and then
    ``error`` says why in one line. ``text`` is the label of an enumerated value. ``unit`` is the unit of *this* value.
    ``flags`` are vendor facts (stable, alarm1 …). ``raw`` is the wire payload, for diagnostics.
    ``responded``: whether the device sent a reply; None: nothing was requested. It is not stored.
    """

    channel: Channel
    stamp: Stamp
    value: Value
    unit: str | None
    status: Status = OK
    flags: tuple[str, ...] = ()
    error: str | None = None
    text: str | None = None
    raw: bytes | None = None
    responded: bool | None = True

    @property
    def device(self) -> str:
        return self.channel.device

    @property
    def parameter(self) -> str:
        return self.channel.parameter

    @property
    def instance(self) -> int:
        return self.channel.instance

    @property
    def address(self) -> int | str | None:
        return self.channel.address

    @property
    def protocol(self) -> str:
        return self.channel.protocol


def absent(channel: Channel, stamp: Stamp, status: Status, error: str, *, responded: bool | None = True) -> Sample:
    """The sample that stands where a value should be."""
    return Sample(
        channel=channel, stamp=stamp, value=None, unit=channel.unit, status=status, error=error, responded=responded
    )
