"""One reading, whichever protocol brought it, and the sample it makes. Source: section 6.

An unstable weight is a number the balance stands for: its status is ok, and what is missing is the flag ``stable``.
Suspect is what the balance itself does not trust: the converter coming back from an off-scale state.
"""

from msgspec import Struct

from riglog.model import OK, Channel, Sample, Stamp, Status


class Reading(Struct, frozen=True, kw_only=True):
    """What the balance said at one instant. ``value`` is None off scale and on status lines; then ``why`` says so.

    None in ``overload``, ``underload``, ``isocal_due`` and ``adc_trusted`` means that the balance did not say.
    ``tick`` counts the measurements of the balance, modulo 256. ``raw`` is the frame or the line.
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
    unverified_digit: bool = False
    tick: int | None = None
    why: str | None = None
    status: Status = OK
    raw: bytes = b""

    @property
    def flags(self) -> tuple[str, ...]:
        facts = (
            ("stable", self.stable),
            ("overload", self.overload),
            ("underload", self.underload),
            ("isocal_due", self.isocal_due),
            ("adc_untrusted", self.adc_trusted is False),
            ("adjusting", self.adjusting),
            ("unverified_digit", self.unverified_digit),
        )
        return tuple([name for name, holds in facts if holds])


def sample_of(channel: Channel, reading: Reading) -> Sample:
    """The reading as a sample of the channel. The unit is the one on the line, never the channel's."""
    return Sample(
        channel=channel,
        stamp=reading.stamp,
        value=reading.value,
        unit=reading.unit,
        status=reading.status,
        flags=reading.flags,
        error=reading.why,
        raw=reading.raw,
    )
