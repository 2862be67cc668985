"""Gaps, availability, absences and statistics that are read from overviews: equal to those of all rows, one by one."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from recorded import START

from riglog.model import NS, Batch, Channel, Event, EventKind, Run, Sample, Stamp, Status, iso, missing_sample
from riglog.recordings import AbsenceFinder, Selection, read, read_events
from riglog.recordings.gaps import Gap, Key
from riglog.recordings.reports.statistics import Statistics, Units, add_channel, make_certain, number
from riglog.recordings.stored_channels import ChannelTime, selected_channels
from riglog.recordings.stored_gaps import FoundGaps, gaps_of_files, gaps_of_rows
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.blocks import Profile
from riglog.sinks.sqlite.run_file import RunFile
from riglog.sinks.sqlite.stored_rows import StoredRows

NUMBER = Channel(device="oven", driver="toy", protocol="toy", address=1, parameter="level", unit="degC")
OTHER = structs.replace(NUMBER, instance=2, unit="bar")
TEXT = structs.replace(NUMBER, parameter="mode", unit=None)
PACED = structs.replace(NUMBER, device="balance", parameter="net", unit="g")
BURST = structs.replace(NUMBER, device="logger", parameter="force", unit="N")
SHARES = {"steady": 60, "missing": 4, "lost": 2, "suspended": 1, "ahead": 1, "back": 1, "resumed": 1, "overrun": 3}
TROUBLES = ("missing", "skipped", "words", "suspect", "fault", "not finite", "unit")


class Rig:
    """Makes the flushes of a recording in which everything goes wrong at times, by a seed."""

    def __init__(self, seed: int, path: Path, profile: Profile) -> None:
        self._random = random.Random(seed)
        self._path, self._profile = path, profile
        self._run = Run(f"rig.{seed}", "rig", START + 50 * 60 * NS, 5_000 * NS, 1.0, "lab", {}, None)
        self._utc, self._monotonic, self._tick = self._run.started_ns, self._run.anchor_ns, 0
        self._file = self._opened()

    def _opened(self) -> RunFile:
        return RunFile(self._path, self._run, durable=False, profile=self._profile)

    def record(self, slots: int) -> None:
        events = [Event(self._utc, EventKind.DEVICE_ABSENT, "no port", device) for device in ("pump", "oven")]
        while self._tick < slots:
            (state,) = self._random.choices(list(SHARES), list(SHARES.values()))
            trouble = self._random.choice(TROUBLES) if state == "missing" else ""
            batches = list(self._batches(state, trouble))
            self._file.write(batches, events + self._event(state))
            events = []
        self._file.close()

    def _event(self, state: str) -> list[Event]:
        kind = {"ahead": EventKind.CLOCK_STEP, "back": EventKind.CLOCK_STEP, "resumed": EventKind.RUN_RESUMED}.get(
            state
        )
        present = self._random.choice(("", "", "pump"))
        found = [Event(self._utc, EventKind.DEVICE_PRESENT, "opened", present)] if present else []
        return found if kind is None else [*found, Event(self._utc, kind, state)]

    def _batches(self, state: str, trouble: str) -> Iterator[Batch]:
        pick = self._random
        slots = pick.choice((1, 2, 7, 30, 90, 400))
        if state == "lost":
            self._pass(slots)
        elif state == "suspended":
            self._utc += pick.choice((1, 600)) * NS
        elif state == "ahead":
            self._utc += pick.choice((700_000_000, 3600 * NS))
        elif state == "back":
            self._utc -= pick.choice((700_000_000, 900 * NS))
        elif state == "resumed":
            self._file.close()
            self._file = self._opened()
            self._pass(pick.choice((0, 5, 300)))
            self._monotonic = pick.choice((self._monotonic, 3 * NS))
        for place in range(slots):
            if state == "overrun" and place % 20 == 0:
                yield from self._overrun()
            yield Batch("bus", self._tick, self._host_paced(trouble))
            if place % 7 != 3:
                yield Batch("balance", None, [self._sample(PACED, self._stamp(400_000_000, None), trouble)])
            if place % 10 == 0:
                yield Batch("logger", self._tick, self._burst())
            self._pass(1)

    def _pass(self, slots: int) -> None:
        self._tick += slots
        self._utc += slots * NS + self._random.randrange(100)
        self._monotonic += slots * NS

    def _stamp(self, after: int, latency: int | None = 3_000_000) -> Stamp:
        after += self._random.randrange(1_000_000)
        return Stamp(self._utc + after, latency, self._monotonic + after - (latency or 0) // 2)

    def _host_paced(self, trouble: str) -> list[Sample]:
        at = self._stamp(10_000_000)
        text = Sample(channel=TEXT, stamp=at, value="run" if self._tick % 3 else "idle", unit=None)
        return [self._sample(NUMBER, at, trouble), self._sample(OTHER, at, ""), text]

    def _sample(self, channel: Channel, at: Stamp, trouble: str) -> Sample:
        value = self._random.choice((self._random.gauss(0, 1e5), 12.345675, self._random.randrange(100) / 10))
        if trouble in ("missing", "skipped"):
            return missing_sample(channel, at, Status(trouble), f"no reply {self._tick % 5}")
        if trouble == "words":
            return Sample(channel=channel, stamp=at, value="over range", unit=None, status=Status.SUSPECT)
        if trouble == "not finite":
            return Sample(channel=channel, stamp=at, value=float("nan"), unit=channel.unit)
        unit = "K" if trouble == "unit" and channel is NUMBER else channel.unit
        status = Status(trouble) if trouble in ("suspect", "fault") else Status.OK
        return Sample(channel=channel, stamp=at, value=value, unit=unit, status=status)

    def _overrun(self) -> Iterator[Batch]:
        """A slow poll: the slots that were skipped meanwhile come first."""
        late = self._tick
        for _ in range(3):
            self._pass(1)
            at = self._stamp(0, None)
            yield Batch("bus", self._tick, [missing_sample(NUMBER, at, Status.SKIPPED, "late")])
        yield Batch("bus", late, self._host_paced(""))
        self._pass(1)

    def _burst(self) -> list[Sample]:
        """Ten readings that arrive at once, with the times of the instrument."""
        at = self._stamp(20_000_000, None)
        return [
            Sample(
                channel=BURST,
                stamp=structs.replace(
                    at, own_ns=at.received_ns - place * 1_000_000, monotonic_ns=at.monotonic_ns - place * 1_000_000
                ),
                value=float(place),
                unit="N",
            )
            for place in range(10, 0, -1)
        ]


def by_rows(paths: list[Path], selection: Selection) -> tuple[FoundGaps, AbsenceFinder, dict[Key, Units]]:
    absences = AbsenceFinder(read_events(paths))
    statistics: dict[Key, Units] = {}

    def counted() -> Iterator[Row]:
        for row in read(paths, run=selection.run, device=selection.device, start=selection.start, end=selection.end):
            key = Key(row.run or "", row.device, row.parameter, row.instance)
            statistics.setdefault(key, {}).setdefault(row.unit, Statistics()).add(row)
            yield row

    return gaps_of_rows(counted(), absences), absences, statistics


def by_overviews(paths: list[Path], selection: Selection) -> tuple[FoundGaps, AbsenceFinder, dict[Key, Units]]:
    absences = AbsenceFinder(read_events(paths))
    statistics: dict[Key, Units] = {}

    def each(channel: ChannelTime) -> None:
        add_channel(channel, statistics.setdefault(channel.key, {}))

    gaps = gaps_of_files(paths, selection, absences, each=each)
    make_certain(paths, selection, statistics)
    return gaps, absences, statistics


def of_gap(gap: Gap) -> tuple[object, ...]:
    return (*gap.channel, gap.started_at, gap.ended_at, gap.slots, gap.first_cause)


def of_statistics(units: Units) -> list[tuple[object, ...]]:
    return [
        (unit, each.rows, each.count, each.low, each.high, each.first, each.last, number(each.mean), each.statuses)
        for unit, each in units.items()
    ]


def assert_equal(paths: list[Path], selection: Selection) -> None:
    (rows, absences, statistics), (gaps, their_absences, their_statistics) = (
        by(paths, selection) for by in (by_rows, by_overviews)
    )
    assert gaps.channels == rows.channels
    assert list(gaps.channels) == list(rows.channels)
    assert sorted(map(of_gap, gaps.gaps)) == sorted(map(of_gap, rows.gaps))
    assert gaps.count == rows.count
    assert their_absences.found() == absences.found()
    assert list(their_statistics) == list(statistics)
    for key, units in statistics.items():
        assert of_statistics(their_statistics[key]) == of_statistics(units), key


@pytest.mark.parametrize(("seed", "profile"), [(1, "desk"), (2, "card"), (3, "desk")])
def test_everything_is_as_if_all_rows_were_read(tmp_path: Path, seed: int, profile: Profile) -> None:
    path = tmp_path / "rig.sqlite"
    Rig(seed, path, profile).record(6_000)
    assert_equal([path], Selection())
    with closing(sqlite3.connect(path)) as database:
        first, last = database.execute("SELECT min(received_ns), max(received_ns) FROM reading").fetchone()
        assert database.execute("SELECT count(*) FROM minute").fetchone()[0] > 100
    span = (last - first) // 1000
    begin, end = (first // 1000 * 1000 + share * span for share in (211, 787))
    assert_equal([path], Selection(start=iso(begin), end=iso(end)))
    assert_equal([path], Selection(device="oven"))


def steady(path: Path, values: Sequence[float]) -> Path:
    """A recording of one channel at 1 Hz."""
    run = Run("steady.1", "steady", START, 5_000 * NS, 1.0, "lab", {}, None)
    file = RunFile(path, run, durable=False, profile="desk")
    batches = [
        Batch("bus", tick, [Sample(channel=NUMBER, stamp=at, value=value, unit="degC")])
        for tick, value in enumerate(values)
        for at in [Stamp(run.started_ns + tick * NS, 3_000_000, run.anchor_ns + tick * NS)]
    ]
    for first in range(0, len(batches), 60):
        file.write(batches[first : first + 60], [])
    file.close()
    return path


def test_a_mean_is_summed_from_all_rows_where_sums_of_minutes_could_change_a_digit_of_it(tmp_path: Path) -> None:
    path = steady(tmp_path / "steady.sqlite", [1e16, 1.0, -1e16, 1.0] * 100)
    statistics: dict[Key, Units] = {}
    for channel in selected_channels([path], Selection()):
        add_channel(channel, statistics.setdefault(channel.key, {}))
    ((found,),) = (units.values() for units in statistics.values())
    assert not found.is_mean_certain
    make_certain([path], Selection(), statistics)
    assert (found.mean, found.is_mean_certain, found.count) == (0.5, True, 400)


def test_of_complete_hours_and_minutes_only_the_first_and_the_last_row_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = steady(tmp_path / "steady.sqlite", [20 + tick % 50 / 10 for tick in range(2 * 3600 + 90)])
    read_rows = []
    row = StoredRows.row
    monkeypatch.setattr(StoredRows, "row", lambda self, reading: read_rows.append(reading) or row(self, reading))
    found, _, statistics = by_overviews([path], Selection())
    assert [(seen.slots_due, seen.slots_with_value) for seen in found.channels.values()] == [(7290, 7290)]
    assert [each.count for units in statistics.values() for each in units.values()] == [7290]
    assert len(read_rows) < 150  # of the first hour, which is not complete, those of its minutes
