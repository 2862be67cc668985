"""Rows of a copy that get another content: in place, with annotations that are stored once."""

from typing import Any

from riglog.model import Sample, Stamp, Status
from riglog.rig.redecoding import Place
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.reader import Database

NOT_DECODED = "no value: the drivers of today do not accept this reply"
ANNOTATION = "SELECT id FROM annotation WHERE (text, unit, status, flags, error) IS (?, ?, ?, ?, ?)"


class Changes:
    """Corrects rows in the copy. ``series`` are the channels of each run that have corrected rows."""

    def __init__(self, target: Database) -> None:
        self._target = target
        self._series: dict[int, tuple[int, str]] = {}
        self._annotations: dict[tuple[Any, ...], int] = {}
        self.series: set[tuple[int, str]] = set()

    def correct(self, place: Place, sample: Sample | None) -> None:
        """Store what a row is today."""
        if sample is None:
            self.store(place, None, None, (None, self._unit(place), Status.MISSING.value, "", NOT_DECODED))
        else:
            number, text, status, error = content(sample)
            unit = sample.unit
            plain = status is Status.OK and text is None and error is None and not sample.flags
            plain = plain and unit == self._unit(place)
            self.store(place, number, sample.stamp, None if plain else (text, unit, status.value, flags(sample), error))
        self.series.add(self._name(place.channel_id))

    def store(self, place: Place, number: float | None, stamp: Stamp | None, annotation: Any) -> None:
        """Store the content of a row; and its times, if it was made after a reply that was refused."""
        if number == 0.0:
            number = 0.0  # SQLite stores no minus zero
        where = {"channel": place.channel_id, "at": place.received_ns, "n": place.n}
        at = "block_id IN (SELECT id FROM block WHERE run_id = (SELECT run_id FROM channel WHERE id = :channel))"
        at += " AND (channel_id, received_ns, n) = (:channel, :at, :n)"
        values = {"value": number, "annotation": None if annotation is None else self._annotation(annotation)}
        self._target.execute(
            f"UPDATE reading SET value = :value, annotation_id = :annotation WHERE {at}",  # noqa: S608 - constants
            where | values,
        )
        if stamp is not None and stamp.received_ns != place.received_ns:
            times = {"received": stamp.received_ns, "latency": stamp.latency_ns}
            self._target.execute(
                f"UPDATE OR IGNORE reading SET received_ns = :received, n = 0, latency_ns = :latency WHERE {at}",  # noqa: S608
                where | times,
            )

    def _annotation(self, columns: tuple[Any, ...]) -> int:
        number = self._annotations.get(columns)
        if number is None:
            known = self._target.execute(ANNOTATION, columns).fetchone()
            if known is None:
                insert = "INSERT INTO annotation (text, unit, status, flags, error) VALUES (?, ?, ?, ?, ?) RETURNING id"
                known = self._target.execute(insert, columns).fetchone()
            number = self._annotations[columns] = int(known[0])
        return number

    def _unit(self, place: Place) -> str | None:
        found = self._target.execute("SELECT unit FROM channel WHERE id = ?", (place.channel_id,)).fetchone()
        return None if found is None else found[0]

    def _name(self, channel: int) -> tuple[int, str]:
        if channel not in self._series:
            select = (
                "SELECT run_id, device, parameter, instance FROM channel JOIN series ON series.id = series_id"
                " WHERE channel.id = ?"
            )
            run, device, parameter, instance = self._target.execute(select, (channel,)).fetchone()
            self._series[channel] = run, channel_text(device, parameter, instance)
        return self._series[channel]


def channel_text(device: str, parameter: str, instance: int) -> str:
    """Return a channel as formulas name it."""
    return f"{device}.{parameter}[{instance}]" if instance != 1 else f"{device}.{parameter}"
