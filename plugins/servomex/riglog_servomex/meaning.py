"""From a reading to a sample: what the value is worth, in which unit, with which flags. Pure."""

from riglog.model import Channel, Sample, Status
from riglog_servomex.positions import Kind
from riglog_servomex.reading import AnalyserStatus, Reading
from riglog_servomex.text import converted


def channel_of(reading: Reading, device: str, protocol: str, address: int | None, wanted_unit: str | None) -> Channel:
    """What a row is about. Its ``parameter`` is the position; the gas is the sample's ``text``."""
    unit = reading.unit.said
    if wanted_unit is not None:
        _, unit = converted(0.0, unit, wanted_unit)
    return Channel(
        device=device,
        driver="servomex",
        protocol=protocol,
        address=address,
        parameter=reading.position.parameter,
        unit=unit,
    )


def sample_of(
    channel: Channel, reading: Reading, analyser: AnalyserStatus | None, wanted_unit: str | None = None
) -> Sample:
    """One row. ``text`` is the name of the gas as the analyser has it now."""
    value, unit = reading.value, reading.unit.said
    if value is not None and wanted_unit is not None:
        value, unit = converted(value, unit, wanted_unit)
    return Sample(
        channel=channel,
        stamp=reading.stamp,
        value=value,
        unit=unit,
        status=status_of(reading),
        flags=reading.flags.words(reading.position.kind) + analyser_words(analyser),
        error=reading.problem,
        text=reading.name,
        raw=reading.raw,
    )


def status_of(reading: Reading) -> Status:
    """Flags do not take the value away. A derived channel has no fault of its own: its parent has."""
    flags = reading.flags
    if reading.over:
        return Status.OUT_OF_RANGE
    if flags.fault and reading.position.kind is not Kind.DERIVED:
        return Status.FAULT
    if reading.value is None:
        return Status.MISSING
    if flags.fault or flags.maintenance or flags.calibrating or flags.warming_up:
        return Status.SUSPECT
    return Status.OK


def analyser_words(analyser: AnalyserStatus | None) -> tuple[str, ...]:
    """What holds for the whole analyser, on each of its rows."""
    if analyser is None:
        return ()
    states = (("analyser_fault", analyser.fault), ("analyser_maintenance", analyser.maintenance))
    return tuple(word for word, raised in states if raised)
