"""Derived channels of a corrected recording: their formulas are evaluated again on the rows of a file."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from riglog.config.rig import parse_rig
from riglog.derived import Deriver
from riglog.errors import RiglogError
from riglog.model import Batch, Channel, Sample, Stamp, Status
from riglog.plugin import Registry
from riglog.rig.corrections import Changes, channel_text
from riglog.rig.redecoding import Place, SetClock
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.reader import Database
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, StoredRows

NOT_COMPUTED = "no value: an input was corrected, and the formula could not be computed again"
INPUTS = f"""
SELECT {READING_COLUMNS} FROM channel JOIN series ON series.id = series_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
WHERE channel.run_id = ? ORDER BY channel.segment, reading.received_ns, channel.id, reading.n"""  # noqa: S608


class _Computed(NamedTuple):
    """A row that a formula gives."""

    number: float | None
    text: str | None
    unit: str | None
    status: str
    flags: str
    error: str | None


Results = dict[tuple[str, int], _Computed]
"""By channel and slot; without slots, by time of receipt."""


class DerivedAgain:
    """Computes the derived channels of a run again, of the rows as they were recorded and as they are now.

    What does not give again what was recorded (a run that was resumed, a window that had begun before) is not replaced
    by another guess: such a row has no value if its inputs were corrected.
    """

    def __init__(self, source: Database, target: Database, changes: Changes, registry: Registry, path: Path) -> None:
        self._source = source
        self._target = target
        self._changes = changes
        self._registry = registry
        self._path = path
        self.different = self.not_computed = 0

    def compute_again(self, run_id: int, rig: str | None) -> None:
        affected = self._affected(run_id)
        if not affected:
            return
        try:
            config = parse_rig(rig or "", self._path, registry=self._registry, out=self._path)
            derived = config.derived
        except (RiglogError, ExceptionGroup, ValueError):
            derived = ()
        before: Results = {}
        now: Results = {}
        if derived:
            inputs = {name for each in derived for name in each.formula.inputs}
            before = _results(self._source, Deriver(derived, clock := SetClock()), clock, run_id, inputs)
            now = _results(self._target, Deriver(derived, clock := SetClock()), clock, run_id, inputs)
        row = StoredRows(self._source).row
        for reading in self._source.execute(INPUTS, (run_id,)).fetchall():
            one = row(reading)
            name = channel_text(one.device, one.parameter, one.instance)
            if one.driver != "derived" or name not in affected:
                continue
            key = name, reading[0] if one.tick is None else one.tick
            was, new = before.get(key), now.get(key)
            stored = _Computed(one.value, one.text, one.unit, one.status, one.flags, one.error)
            if was == new and was is not None:
                continue
            place = Place(reading[2], *reading[:2])
            if was == stored and new is not None:
                self.different += 1
                self._changes.store(place, new.number, None, new[1:])
            elif one.value is not None:
                self.not_computed += 1
                missing = None, one.unit, Status.MISSING.value, "", NOT_COMPUTED
                self._changes.store(place, None, None, missing)

    def _affected(self, run_id: int) -> set[str]:
        """Return the derived channels that need a channel with corrected rows, also through others."""
        known = {
            channel_text(*name): msgspec.json.decode(inputs or "[]", type=list[str])
            for *name, inputs in self._source.execute(
                "SELECT device, parameter, instance, inputs FROM derived JOIN channel ON channel.id = channel_id"
                " JOIN series ON series.id = series_id WHERE run_id = ?",
                (run_id,),
            )
        }
        changed = {name for run, name in self._changes.series if run == run_id}
        affected: set[str] = set()
        while more := {name for name, needs in known.items() if changed.intersection(needs)} - affected:
            affected |= more
            changed |= more
        return affected


def _results(database: Database, deriver: Deriver, clock: SetClock, run_id: int, inputs: set[str]) -> Results:
    """Return what the formulas give for the rows of a run, as they are in a file."""
    found: Results = {}

    def note(batches: Any) -> None:
        for batch in batches:
            for sample in batch.samples:
                if sample.channel.formula is not None:
                    number, text, status, error = content(sample)
                    key = str(sample.channel), sample.stamp.received_ns if batch.tick is None else batch.tick
                    found[key] = _Computed(number, text, sample.unit, status.value, flags(sample), error)

    for batch, now_ns in _batches(database, run_id, inputs):
        clock.now_ns = now_ns
        note(deriver.late())
        note(deriver.derive(batch))
    note(deriver.rest())
    return found


def _batches(database: Database, run_id: int, inputs: set[str]) -> Iterator[tuple[Batch, int]]:
    row = StoredRows(database).row
    channels: dict[int, Channel | None] = {}

    def samples() -> Iterator[tuple[int | None, str, Sample]]:
        for reading in database.execute(INPUTS, (run_id,)):
            received_ns, _, number, *_, latency, _, own = reading
            channel = channels.get(number)
            if channel is None and number in channels:
                continue
            one = row(reading)
            if channel is None:
                channel = Channel(
                    device=one.device,
                    driver=one.driver,
                    protocol=one.protocol,
                    address=one.address,
                    parameter=one.parameter,
                    instance=one.instance,
                )
                channels[number] = channel if one.driver != "derived" and str(channel) in inputs else None
                if channels[number] is None:
                    continue
            yield (
                one.tick,
                one.device,
                Sample(
                    channel=channel,
                    stamp=Stamp(received_ns, latency, one.monotonic_ns, own),
                    value=one.value,
                    text=one.text,
                    unit=one.unit,
                    status=Status(one.status),
                    flags=tuple(one.flags.split()),
                    error=one.error,
                ),
            )

    for (tick, device), group in groupby(samples(), key=lambda each: each[:2]):
        batch = Batch(device, tick, [sample for *_, sample in group])
        newest = batch.samples[-1].stamp
        yield batch, newest.monotonic_ns + (newest.latency_ns or 0) // 2
