"""A sample: one value of one channel with its time, unit and status, or the reason why there is none."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

from riglog.model.channel import Channel
from riglog.model.pending_proof import PendingProof
from riglog.model.stamp import Stamp

Value = float | int | bool | str | None


class Status(StrEnum):
    """How far a sample can be used. A closed list: vendor-specific conditions are ``flags``."""

    OK = "ok"
    SUSPECT = "suspect"  # the instrument marks its value as unreliable: warming up, calibrating, unstable sensor
    OUT_OF_RANGE = "out_of_range"  # overload, under range, not a finite number: no value
    FAULT = "fault"  # failure of the sensor or the instrument
    MISSING = "missing"  # requested, and no value obtained
    SKIPPED = "skipped"  # the slot was due, and nothing was requested: port lost, polling suspended, overrun


OK = Status.OK


class Sample(Struct, frozen=True, kw_only=True):
    """One value of one channel.

    ``value`` is what the instrument reported, never repeated, cached or interpolated; None if there is no value, and
    ``error`` is then the reason in one line. ``text`` is the label of an enumerated value. ``unit`` is the unit of this
    value. ``flags`` are vendor-specific conditions (stable, alarm1 …). ``raw`` is the payload, for diagnostics.
    ``responded``: whether the device sent a reply; None: nothing was requested. ``proof``: the sample counts as it is
    only if this is proven. Both are not stored.
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
    proof: PendingProof | None = None

    @property
    def device(self) -> str:
        return self.channel.device

    @property
    def parameter(self) -> str:
        return self.channel.parameter

    @property
    def parameter_id(self) -> int | None:
        return self.channel.parameter_id

    @property
    def instance(self) -> int:
        return self.channel.instance

    @property
    def address(self) -> int | str | None:
        return self.channel.address

    @property
    def protocol(self) -> str:
        return self.channel.protocol

    @property
    def requested_at(self) -> datetime | None:
        """When the request was sent (UTC); None without a request (broadcast, autoprint)."""
        return self.stamp.requested_at

    @property
    def received_at(self) -> datetime:
        """When the last byte of the reply was read (UTC)."""
        return self.stamp.received_at

    @property
    def midpoint_at(self) -> datetime:
        """Halfway between request and reply, or when the instrument states that it measured (UTC)."""
        return self.stamp.midpoint_at

    @property
    def latency_s(self) -> float | None:
        """Seconds from the request to the reply; None without a request."""
        return self.stamp.latency_s

    @property
    def monotonic_ns(self) -> int:
        """Midpoint of the transaction on the monotonic clock, in nanoseconds."""
        return self.stamp.monotonic_ns


def missing_sample(
    channel: Channel, stamp: Stamp, status: Status, error: str, *, responded: bool | None = True
) -> Sample:
    """Return the sample that stands in for a value that was not obtained."""
    return Sample(
        channel=channel, stamp=stamp, value=None, unit=channel.unit, status=status, error=error, responded=responded
    )


def settled(sample: Sample) -> Sample:
    """Return a sample as its proof leaves it: as it is if it needs none or is proven, else suspect."""
    proof = sample.proof
    if proof is None or proof.is_proven:
        return sample
    flags = (*sample.flags, proof.flag)
    return structs.replace(sample, status=Status.SUSPECT, flags=flags, error=proof.error, proof=None)
