"""A reading out of xBPI frames. Pure. Source: sections 3.7 to 3.9."""

from riglog.model import OK, Stamp, Status
from riglog_sartorius.reading import Reading
from riglog_sartorius.xbpi.measurement import Measurement, StatusBlock


def reading_of(weight: Measurement, state: StatusBlock | None, stamp: Stamp, raw: bytes) -> Reading:
    """A weight with what the status block says beside it; without a block, overload and underload are unknown."""
    status, why = _worth(weight, state)
    return Reading(
        value=weight.value,
        unit=weight.unit,
        stable=weight.stable and weight.value is not None,
        stamp=stamp,
        decimals=weight.decimals,
        sign=weight.sign,
        overload=state.overload if state else None,
        underload=state.underload if state else None,
        adc_trusted=state.adc_trusted if state else None,
        isocal_due=state.isocal_due if state else None,
        tick=state.sequence if state else None,
        why=why,
        status=status,
        raw=raw,
    )


def _worth(weight: Measurement, state: StatusBlock | None) -> tuple[Status, str | None]:
    """Off scale alone says no more than that there is no value; a zero command causes it for about two seconds."""
    if weight.value is not None:
        return (Status.SUSPECT if state and state.adc_trusted is False else OK), None
    if state and state.overload:
        return Status.OUT_OF_RANGE, "overload"
    if state and state.underload:
        return Status.OUT_OF_RANGE, "underload"
    if state and state.overload is False:
        return Status.MISSING, "no value while the balance works out its zero point"
    return Status.OUT_OF_RANGE, "off scale: overload or underload, or the zero point is being worked out"
