"""Names that people use for a parameter, such as ``pv``, where a recording is read.

A recording has the names of riglog. What else a parameter is called is known by the driver that recorded it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from riglog.errors import RiglogError


def recorded_parameter(files: Sequence[str | Path], parameter: str | None) -> str | None:
    """Return the name under which the recordings have a parameter; the given one if it has it, or nothing is known."""
    if parameter is None:
        return None
    for path in map(Path, files):
        try:
            names, rigs = _recorded(path)
        except RiglogError:
            continue  # whoever reads it next reports it
        if parameter in names:
            return parameter
        for meant in _meanings(path, rigs, parameter):
            if meant in names:
                return meant
    return parameter


def recorded_channels(files: Sequence[str | Path], channels: Sequence[str]) -> list[str]:
    """Return channels such as ``oven.pv`` with the names of the recording; patterns stay as they are."""
    found = []
    for channel in channels:
        device, dot, parameter = channel.partition(".")
        name, bracket, instance = parameter.partition("[")
        found.append(f"{device}{dot}{recorded_parameter(files, name) if name else name}{bracket}{instance}")
    return found


def _recorded(path: Path) -> tuple[set[str], list[str]]:
    """Return the parameters of a recording, and the different rig files of its runs, the newest first."""
    from riglog.sinks.sqlite.reader import opened_recording
    from riglog.sinks.sqlite.schema import schema_of
    from riglog.sinks.sqlite.tables import SCHEMA_VERSION

    with opened_recording(path) as database:
        if schema_of(database) != SCHEMA_VERSION:
            return set(), []
        names = {name for (name,) in database.execute("SELECT DISTINCT parameter FROM series")}
        rigs = [text for (text,) in database.execute("SELECT rig FROM run ORDER BY id DESC") if text]
    return names, list(dict.fromkeys(rigs))


def _meanings(path: Path, rigs: Iterable[str], parameter: str) -> Iterable[str]:
    """Yield what the drivers of the rigs call a parameter."""
    from riglog.config.rig import parse_rig

    for text in rigs:
        try:
            specs = parse_rig(text, path).specs
        except (RiglogError, ExceptionGroup):
            continue  # its driver is not installed here, or the file is of another version
        for spec in specs:
            try:
                name = spec.driver.canonical_name(spec.config, parameter)
            except RiglogError:
                continue  # it can mean several parameters
            if name is not None:
                yield name
