"""A token of a frame to a sample: what the flags mean for it. Pure."""

from collections.abc import Sequence

from riglog.model import Channel, Sample, Stamp, Status
from riglog_alicat.layout import Column

NO_VALUE = {
    "MOV": ("mass_flow",),
    "VOV": ("volumetric_flow",),
    "TOV": ("temperature",),
    "POV": ("abs_pressure", "gauge_pressure", "diff_pressure", "pressure"),
    "P2O": ("abs_pressure_2", "gauge_pressure_2", "diff_pressure_2"),
}
"""The quantity that is out of range, above or below."""
SUSPECT = {"OVR": ("total_volume", "total_mass"), "TMF": ("total_volume", "total_mass")}
CONVERTER_FAULT = "ADC"


def sample_of(channel: Channel, column: Column, token: str, flags: Sequence[str], stamp: Stamp) -> Sample:
    """Return the sample of one column. Every row has the flags of its frame."""
    words = tuple(flag.lower() for flag in flags)
    unit = column.unit_name

    def without_value(status: Status, error: str) -> Sample:
        return Sample(channel=channel, stamp=stamp, value=None, unit=unit, status=status, flags=words, error=error)

    if CONVERTER_FAULT in flags:
        return without_value(Status.FAULT, "the instrument reports a fault of its converter (ADC)")
    for flag in flags:
        if column.key in NO_VALUE.get(flag, ()):
            return without_value(Status.OUT_OF_RANGE, f"the instrument reports it out of range ({flag})")
    if token.strip("-") == "":
        return without_value(Status.MISSING, "the instrument has no value")
    doubtful = any(column.key in SUSPECT.get(flag, ()) for flag in flags)
    status = Status.SUSPECT if doubtful else Status.OK
    value = float(token) if column.is_number else token
    return Sample(channel=channel, stamp=stamp, value=value, unit=unit, status=status, flags=words)


def setpoint_sample(channel: Channel, column: Column, token: str, stamp: Stamp) -> Sample:
    return Sample(channel=channel, stamp=stamp, value=float(token), unit=column.unit_name)
