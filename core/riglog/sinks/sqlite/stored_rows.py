"""Rows out of the stored numbers of schema 2, equal to those of the view ``samples``.

The view makes every text of every row. Here, times within one second are formatted together, and what channels and
annotations share is read once.
"""

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from riglog.model.stamp import iso_times
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.schema import DanglingError
from riglog.sinks.sqlite.views import OWN

READING_COLUMNS = (
    "reading.received_ns, reading.n, channel.id, reading.value, reading.annotation_id, reading.tick,"
    f" reading.latency_ns, reading.skew_ns, {OWN}"
)
"""What ``row`` takes, in this order."""
CHANNEL = """
SELECT run.run, run.anchor_ns - run.started_ns, series.device, channel.driver, channel.protocol, channel.address,
    series.parameter, channel.parameter_id, series.instance, channel.unit
FROM channel JOIN series ON series.id = channel.series_id LEFT JOIN run ON run.id = channel.run_id
WHERE channel.id = ?"""
ANNOTATION = "SELECT text, unit, status, flags, error FROM annotation WHERE id = ?"
CACHED_ANNOTATIONS = 10_000

Reading = tuple[int, int, int, float | None, int | None, int | None, int | None, int | None, int | None]
Annotation = tuple[str | None, str | None, str, str, str | None]


class _Channel(Struct, frozen=True):
    """The columns of a row that all readings of a channel share; ``clock_ns`` is monotonic time minus UTC."""

    run: str
    clock_ns: int
    device: str
    driver: str
    protocol: str
    address: int | str | None
    parameter: str
    parameter_id: int | None
    instance: int
    unit: str | None


class StoredRows:
    """Makes rows of the readings of one recording."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._channels: dict[int, _Channel] = {}
        self._annotations: dict[int, Annotation] = {}

    def row(self, reading: Reading) -> Row:
        """Return a reading, as READING_COLUMNS gives it, as a row."""
        received, _, channel_id, value, annotation_id, tick, latency, skew, own = reading
        channel = self._channels.get(channel_id) or self._read_channel(channel_id)
        text, unit, status, flags, error = (
            (None, channel.unit, "ok", "", None) if annotation_id is None else self.annotation(annotation_id)
        )
        requested_at, received_at, midpoint_at = iso_times(received, latency, own)
        midpoint = received - (latency or 0) // 2 if own is None else own
        return Row(
            channel.run,
            tick,
            channel.device,
            channel.driver,
            channel.protocol,
            channel.address,
            channel.parameter,
            channel.parameter_id,
            channel.instance,
            value,
            text,
            unit,
            status,
            flags,
            error,
            requested_at,
            received_at,
            midpoint_at,
            None if latency is None else latency / 1e9,
            channel.clock_ns + midpoint + (skew or 0),
        )

    def annotation(self, number: int) -> Annotation:
        """Return text, unit, status, flags and error of an annotation."""
        return self._annotations.get(number) or self._read_annotation(number)

    def _read_channel(self, number: int) -> _Channel:
        found: Sequence[object] | None = self._database.execute(CHANNEL, (number,)).fetchone()
        if found is None or found[0] is None:
            raise DanglingError(number)
        channel = self._channels[number] = _Channel(*found)  # type: ignore[arg-type]
        return channel

    def _read_annotation(self, number: int) -> Annotation:
        if len(self._annotations) >= CACHED_ANNOTATIONS:
            self._annotations.clear()
        found: Annotation | None = self._database.execute(ANNOTATION, (number,)).fetchone()
        annotation = self._annotations[number] = found or (None, None, "ok", "", None)  # as the view has it
        return annotation
