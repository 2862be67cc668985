"""What a balance reports, over either protocol, and the samples made of it. Pure. Source: section 6.

An unstable weight is a valid weight: its status is ok, and the flag ``stable`` is missing. The status is suspect only
while the balance itself does not trust its converter, after an off-scale state.
"""

from msgspec import Struct

from riglog.model import OK, Channel, Sample, Stamp, Status, missing_sample

ZERO_DIGITS = 5
"""A weight of at most so many display digits is near zero. Source: section 4.2."""


class Reading(Struct, frozen=True, kw_only=True):
    """A weight. ``value`` is None if off scale, and for status lines of SBI; then ``reason`` is the reason.

    None in ``overload``, ``underload``, ``isocal_due`` and ``adc_trusted``: not reported.
    ``unproven``: unit, decimals or layout differ from the readings before; the next reading decides.
    ``sequence`` counts the measurements of the balance, modulo 256. ``raw`` is the frame or the line.
    """

    value: float | None
    unit: str | None
    stable: bool
    stamp: Stamp
    decimals: int = 0
    sign: str | None = None
    overload: bool | None = None
    underload: bool | None = None
    adc_trusted: bool | None = None
    isocal_due: bool | None = None
    adjusting: bool = False
    unproven: bool = False
    unverified_digit: bool = False
    sequence: int | None = None
    reason: str | None = None
    status: Status = OK
    raw: bytes = b""

    @property
    def flags(self) -> tuple[str, ...]:
        flags = (
            ("stable", self.stable),
            ("overload", self.overload),
            ("underload", self.underload),
            ("isocal_due", self.isocal_due),
            ("adc_untrusted", self.adc_trusted is False),
            ("adjusting", self.adjusting),
            ("unverified_digit", self.unverified_digit),
            ("unproven", self.unproven),
        )
        return tuple([name for name, is_set in flags if is_set])

    @property
    def near_zero(self) -> bool:
        """True for a stable weight within ZERO_DIGITS of zero."""
        return self.value is not None and self.stable and abs(self.value) <= ZERO_DIGITS * 10.0**-self.decimals


class State(Struct, frozen=True, kw_only=True):
    """The state of the balance; None: not reported."""

    stamp: Stamp
    stable: bool
    overload: bool | None = None
    underload: bool | None = None
    adjusting: bool | None = None
    isocal_due: bool | None = None
    adc_trusted: bool | None = None
    sequence: int | None = None


class Amount(Struct, frozen=True):
    """A number with its unit. ``value`` None: no number (sensor not fitted); ``unit`` None: unknown."""

    value: float | None
    unit: str | None
    stamp: Stamp


class CalRecord(Struct, frozen=True):
    """The last adjustment since power-on. ``temperature_c`` None: there was none."""

    temperature_c: float | None
    signature: bytes
    counters: tuple[int, int, int]
    stamp: Stamp

    @property
    def has_metadata(self) -> bool:
        return any(self.signature) or any(self.counters)


def weight_sample(channel: Channel, reading: Reading) -> Sample:
    """Return a weight as a sample. The unit is that of the reply, not that of the channel."""
    return Sample(
        channel=channel,
        stamp=reading.stamp,
        value=reading.value,
        unit=reading.unit,
        status=reading.status,
        flags=reading.flags,
        error=reading.reason,
        raw=reading.raw,
    )


def temperature_sample(channel: Channel, temperature: Amount) -> Sample:
    """Return a temperature as a sample."""
    if temperature.value is None:
        return missing_sample(channel, temperature.stamp, Status.FAULT, "sensor not fitted")
    return Sample(channel=channel, stamp=temperature.stamp, value=temperature.value, unit=temperature.unit)
