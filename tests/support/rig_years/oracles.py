"""What must be true of a life, whatever happened in it.

Truth: no ``ok`` value that the instrument did not have at that time. Slots: each due slot has one row of each channel.
Events: one for each change of state. Stored: what a sink reported as stored is in its file, once. Useful: while nothing
disturbs a device, its values are ``ok``. Reasons: each other status has a reason, and the program ends as demanded.
"""

import csv
import hashlib
import json
import re
import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby, pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from rig_years.plan import UNLIMITED, UNNOTICED_SECONDS, Disturbance, PortPlan
from rig_years.world import BOOT_NS, SINKS, SessionLog, World
from riglog.acquire.sink_writer import SamplesLostError
from riglog.acquire.source_task import STEPPED
from riglog.model import NS, Channel, Event, EventKind
from riglog.testing.virtual_time import EPOCH_NS

UNSOLICITED_SECONDS = 0.02
"""A frame without a request is stamped at most this late."""
ROUNDING = 1e-6
"""Times in seconds and in nanoseconds differ by less."""
SETTLE_SECONDS = 2.0
"""After a step of the clock, until the slots have moved."""
EDGE_SECONDS = 3.0
LEAST_STEP = 0.6
"""Seconds: a smaller step of the clock need not be reported."""
START_SLACK = 0.5
"""A poll starts at most this late while nothing disturbs its port."""
LONGEST_POLL = 12.0
"""Seconds that the poll of one device takes at most, with all its timeouts."""
CLOSING_SECONDS = 5.0
"""So long a failing sink is retried at the end."""
MOST_FINDINGS = 5
"""Of one oracle, in one life."""


class Finding(Struct, frozen=True):
    """What is not as it must be."""

    oracle: str
    text: str


class Gap(Struct, frozen=True):
    """Rows of one channel that are not there: how many, and where."""

    session: int
    rows: int
    text: str


class StoredRow(Struct, frozen=True):
    """A row of the SQLite recording, with the times of the event loop and of the world in seconds."""

    session: int
    run: str
    run_started_ns: int
    device: str
    parameter: str
    instance: int
    tick: int | None
    value: float | None
    unit: str | None
    status: str
    flags: str
    error: str | None
    requested: float
    received: float
    solicited: bool
    received_ns: int
    monotonic_ns: int

    @property
    def channel(self) -> tuple[str, str, int]:
        return self.device, self.parameter, self.instance


ROWS = """
SELECT run.run, run.started_ns, series.device, series.parameter, series.instance, reading.tick, reading.value,
    CASE WHEN annotation.id IS NULL THEN channel.unit ELSE annotation.unit END, coalesce(annotation.status, 'ok'),
    coalesce(annotation.flags, ''), annotation.error, reading.received_ns, reading.latency_ns, run.anchor_ns
    + reading.received_ns - run.started_ns - coalesce(reading.latency_ns, 0) / 2 + reading.skew_ns
FROM reading JOIN channel ON channel.id = reading.channel_id JOIN run ON run.id = channel.run_id
JOIN series ON series.id = channel.series_id LEFT JOIN annotation ON annotation.id = reading.annotation_id
ORDER BY run.id, channel.segment, reading.received_ns, reading.n, channel.id
"""


def rows_of(world: World) -> list[StoredRow]:
    """Return what was recorded, oldest first."""
    path = world.folder / "rig.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        found = database.execute(ROWS).fetchall()
    rows = []
    for *columns, received, latency, monotonic in found:
        session = monotonic // BOOT_NS
        middle, half = (monotonic - session * BOOT_NS) / NS, (latency or 0) / NS / 2
        times = middle - half, middle + half, latency is not None, received, monotonic
        rows.append(StoredRow(session - 1, *columns, *times))
    return rows


class Judge:
    """Judges one life."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plan = world.plan
        self.rows = rows_of(world)
        self.findings: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._gaps: list[Gap] = []
        self._disturbed = {
            str(table["name"]): merged(self._disturbances(port, str(table["name"])))
            for port in self.plan.ports
            for table in port.devices
        }
        self._events_at: dict[int, list[tuple[float, Event]]] = {}

    def judge(self) -> list[Finding]:
        """Return everything that is not as it must be."""
        self.judge_rows()
        self.judge_slots()
        self.judge_events()
        self.judge_stores()
        self.judge_sessions()
        return self.findings

    def find(self, oracle: str, text: str) -> None:
        self._counts[oracle] += 1
        if self._counts[oracle] <= MOST_FINDINGS:
            self.findings.append(Finding(oracle, text))

    # --- times

    def at(self, loop_time: float) -> float:
        """Return the time of the world for one of the event loop."""
        return loop_time + self.world.sleeps.at(loop_time)

    def utc(self, loop_time: float) -> float:
        """Return what the UTC clock showed at a time of the event loop."""
        return (EPOCH_NS + self.world.utc_steps.at(loop_time)) / NS + loop_time

    def quiet(self, device: str, start: float, end: float) -> bool:
        """Return True if nothing disturbs a device between two times of the world."""
        starts, ends = self._disturbed[device]
        index = bisect_right(starts, end) - 1
        return index < 0 or ends[index] < start

    def tail(self, found: Disturbance, port: PortPlan) -> float:
        """Return how long after its end a disturbance may show: the stated times of recovery."""
        period = 2 * max(
            self.plan.period / min([1.0, *(rate * self.plan.period for rate in self.plan.own_rates.values())]), 0.0
        )
        if port.listens:
            period = max(period, 45.0)
        length = found.end - found.start
        retry = min(120.0, max(length, 2.0)) if len(port.devices) > 1 else 2.0
        match found.kind:
            case "wire":
                return period + retry + 25.0
            case "cable":
                return period + 5.0
            case "off":
                return period + retry + 15.0
            case "swap-cut" | "swap-off" | "swap-silent" | "swap-live" | "swap-between-runs":
                return period + 140.0
            case "store-full":
                return period + found.detail * 2
        return period + 5.0

    def _noticed(self, found: Disturbance) -> float:
        """Return the end of a disturbance; what happens while the devices are opened is noticed by the first poll."""
        begins = [
            self.at(log.begun)
            for log in self.world.logs
            if log.begun is not None and log.session.start <= found.end <= self.at(log.begun)
        ]
        return max([found.end, *begins])

    def _disturbances(self, port: PortPlan, device: str) -> Iterator[tuple[float, float]]:
        """Return the times in which a device may be without values."""
        suspends = [found for found in self.plan.disturbances if found.kind == "suspend"]
        for found in map(partial(delayed, suspends), self.plan.disturbances):
            own = found.port == port.key and (found.device in (None, device) or self._concerns_all(found, port))
            if own or found.kind in ("suspend", "store-full"):
                yield found.start, self._noticed(found) + self.tail(found, port)
            elif found.kind == "leave-and-join" and any(found.device == table["name"] for table in port.devices):
                yield found.start, found.end + 2 * self.plan.period + 60.0
        for log in self.world.logs:
            for name, times in log.left.items():
                if any(name == table["name"] for table in port.devices):
                    yield from (
                        (self.at(left), self.at(joined) + 2 * self.plan.period + 10.0) for left, joined in times
                    )

    def _concerns_all(self, found: Disturbance, port: PortPlan) -> bool:
        """Return True if what happens to one device of a port can be seen in the rows of the others.

        A device that is off costs the others time, but no slot that is longer than its timeouts.
        """
        if found.kind == "off":
            return self.plan.period < LONGEST_POLL * len(port.devices)
        return not found.kind.startswith("panel")

    # --- the rows, one by one

    def judge_rows(self) -> None:
        for row in self.rows:
            self._judge_stamp(row)
            requested = row.requested if row.solicited else row.received - UNSOLICITED_SECONDS
            start, end = self.at(requested), self.at(row.received + ROUNDING)
            if row.status == "ok":
                self._judge_value(row, start, end)
            elif row.status == "suspect":
                if not row.flags and not row.error:
                    self.find("reasons", f"{shown(row)}: suspect without a flag or an error")
            elif row.value is not None:
                self.find("reasons", f"{shown(row)}: a value with status {row.status}")
            elif not row.error and not row.flags:
                self.find("reasons", f"{shown(row)}: no reason")
            if row.error == STEPPED:
                if len(list(self.world.utc_steps.between(row.requested, row.requested + LONGEST_POLL))) < 2:
                    self.find("useful", f"{shown(row)}: the clock did not step: {row.error}")
            elif row.status != "ok" and self.quiet(row.device, start, end) and self._has_value(row, start, end):
                self.find("useful", f"{shown(row)}: not ok although nothing disturbs it: {row.error or row.flags}")

    def _judge_value(self, row: StoredRow, start: float, end: float) -> None:
        if row.value is None:
            self.find("truth", f"{shown(row)}: ok without a value")
            return
        place = self.world.place(row.device)
        truths = list(place.truths(channel_of(row), start, end))
        if self._may_be_unnoticed(row.device, start):
            truths += place.connected.at(start).truths(channel_of(row), start, end)
        if not any(truth.holds(row.value, row.unit) for truth in truths):
            self.find("truth", f"{shown(row)}: {row.value!r} {row.unit} is not what the instrument had: {truths}")

    def _may_be_unnoticed(self, device: str, at: float) -> bool:
        """Return True if another instrument may be in the place of a device: the line stayed up, and time is stated."""
        return any(
            found.kind == "swap-live"
            and found.device == device
            and 0 <= at - found.start <= UNNOTICED_SECONDS + self.tail_of_slot(device) + 1.0
            for found in self.plan.disturbances
        )

    def tail_of_slot(self, device: str) -> float:
        """Return how long one slot of a device lasts; a frame, if nothing is requested."""
        return max(1 / self.plan.own_rates.get(device, 1 / self.plan.period), 10.0)

    def _has_value(self, row: StoredRow, start: float, end: float) -> bool:
        truths = list(self.world.place(row.device).truths(channel_of(row), start, end))
        return bool(truths) and all(truth.lowest is not None for truth in truths)

    def _judge_stamp(self, row: StoredRow) -> None:
        """The UTC time of a row is what the clock of the computer showed."""
        offsets = {row.received_ns / NS - row.received - EPOCH_NS / NS}
        steps = [
            step / NS for *_, step in self.world.utc_steps.between(row.requested - ROUNDING, row.received + ROUNDING)
        ]
        if not any(abs(offset - step) < 1e-3 for offset in offsets for step in steps):
            self.find("stamps", f"{shown(row)}: received at {offsets} s, the clock was {steps} s ahead")

    # --- slots

    def judge_slots(self) -> None:
        polled = [row for row in self.rows if row.tick is not None]
        seen = Counter((row.run, row.channel, row.tick) for row in polled)
        for (run, channel, tick), count in seen.items():
            if count > 1:
                self.find("slots", f"{channel} has {count} rows for slot {tick} of {run.split('.')[0]}")
        for (session, channel), found in grouped(polled):
            by_slot = sorted(found, key=lambda row: row.tick or 0)  # a poll may return when the next slot is due
            self._judge_channel(self.world.logs[session], channel, by_slot)
        for session, gaps in groupby(self._gaps, key=lambda gap: gap.session):
            self._judge_gaps(self.world.logs[session], list(gaps))

    def _judge_channel(self, log: SessionLog, channel: tuple[str, str, int], rows: Sequence[StoredRow]) -> None:
        """Each slot that was due in a session has its row, and its value was taken in it."""
        device, what = channel[0], f"session {log.session.number} {'.'.join(map(str, channel))}"
        period = 1 / self.plan.own_rates.get(device, 1 / self.plan.period)
        left = log.left.get(device, [])
        assert log.begun is not None
        begun, ended = log.begun, log.ended if log.ended is not None else log.finished or 0.0
        zeros = [self._late(log, row, period) for row in rows]
        resumed = any(of_kind(log, EventKind.RUN_RESUMED))
        origin = min(max(times) for times in zeros) if resumed else begun
        for row, times in zip(rows, zeros, strict=True):
            if max(times) < origin - START_SLACK:
                self.find("slots", f"{shown(row)}: requested {origin - max(times):.3f} s before its slot was due")
            if row.status != "skipped" and min(times) > origin + period + self._longest_poll(device):
                self.find("slots", f"{shown(row)}: requested {min(times) - origin:.1f} s after its slot was due")
        for earlier, later in pairwise(rows):
            first, last = earlier.tick or 0, later.tick or 0
            slept = self._moved(log, later.requested + SETTLE_SECONDS) - self._moved(log, earlier.requested)
            if any(since - period < later.requested and earlier.requested < until + period for since, until in left):
                continue
            left_out = 0.0 if slept == 0 else slept + period  # where in a slot the sleep began is not known
            if last <= first or (last - first - 1) * period > left_out:
                rows_without = max(last - first - 1 - int(left_out / period), 1)
                self._gaps.append(Gap(log.session.number, rows_without, f"{what}: slot {last} follows {first}"))
        if ended < begun:  # it was stopped while it opened the devices: slot 0 has its row all the same
            return
        if any(since - period < begun + period for since, _ in left):
            return
        first, last = rows[0], rows[-1]
        if first.requested > begun + period + self._longest_poll(device):
            self.find("slots", f"{what}: begun at {begun:.2f}, first row {first.tick} at {first.requested:.2f}")
        elif not log.crashed and not any(until > ended - period for _, until in left):
            due = origin - self._moved(log, ended) + ((last.tick or 0) + 1) * period
            since = ended - max(period, SETTLE_SECONDS)  # slots of a time that was slept have no rows
            if due < ended - 0.001 and self._moved(log, ended) == self._moved(log, since):
                text = f"{what}: ended at {ended:.2f}, last row {last.tick} at {last.requested:.2f}"
                self._gaps.append(Gap(log.session.number, int((ended - due) / period) + 1, text))
            if due - period > ended + START_SLACK:
                self.find("slots", f"{what}: ended at {ended:.2f}, but has slot {last.tick}")

    def _judge_gaps(self, log: SessionLog, gaps: Sequence["Gap"]) -> None:
        """Rows that are not there were lost by a sink that said so, row for row, or by nobody's leave."""
        if sum(gap.rows for gap in gaps) > lost_rows(log):
            for gap in gaps:
                self.find("slots", gap.text)

    def _moved(self, log: SessionLog, at: float) -> float:
        """Return by how much the slots have moved in a session: the slots of a time that was slept are left out."""
        if log.begun is None:
            return 0.0
        steps = [step for *_, step in self.world.utc_steps.between(log.begun, max(at, log.begun))]
        return (max(steps) - steps[0]) / NS

    def _late(self, log: SessionLog, row: StoredRow, period: float) -> tuple[float, float]:
        """Return when slot 0 was due if a row was requested at once, before and after the slots have moved."""
        at = row.requested - (row.tick or 0) * period
        return at + self._moved(log, row.requested - SETTLE_SECONDS), at + self._moved(log, row.requested + ROUNDING)

    def _longest_poll(self, device: str) -> float:
        return LONGEST_POLL * len(self.plan.port_of(device).devices)

    # --- events

    def judge_events(self) -> None:
        for log in self.world.logs:
            if log.begun is None:
                continue
            self._judge_alternation(log, EventKind.PORT_LOST, EventKind.PORT_RESTORED)
            self._judge_alternation(log, EventKind.DEVICE_NOT_RESPONDING, EventKind.DEVICE_RESPONDING)
            self._judge_alternation(log, EventKind.SINK_FAILED, EventKind.SINK_RECOVERED)
            self._judge_strangers(log)
            self._judge_clock(log)
            for kind in (EventKind.DRIVER_FAILED, EventKind.SAMPLES_DROPPED, EventKind.WRITE):
                for at, event in of_kind(log, kind):
                    self.find("events", f"session {log.session.number} {at:.1f}: {kind}: {event.message[-300:]}")
            first = [kind for kind in (EventKind.RUN_STARTED, EventKind.RUN_RESUMED) for _ in of_kind(log, kind)]
            if len(first) != 1:
                self.find("events", f"session {log.session.number} began with {first}")

    def _judge_alternation(self, log: SessionLog, lost: EventKind, restored: EventKind) -> None:
        """Two states: each change is one event, and nothing is lost without a cause."""
        states: dict[str, tuple[float, EventKind]] = {}
        for at, event in log.events:
            if event.kind in (lost, restored):
                subject = subject_of(event)
                if any(states.get(subject, (at, None))[0] < left < at for left, _ in log.left.get(subject, [])):
                    del states[subject]  # it was removed, and added again: it begins anew
                if states.get(subject, (0.0, restored))[1] is event.kind and not is_final(event):
                    self.find("events", f"session {log.session.number} {at:.1f}: {event.kind} again: {subject}")
                states[subject] = at, event.kind
                if event.kind is lost and not self._may_be_lost(lost, subject, self.at(at)):
                    self.find("events", f"session {log.session.number} {at:.1f}: {lost} without a cause: {subject}")
        ended = log.ended if log.ended is not None else log.finished or 0.0
        for subject, (at, kind) in states.items():
            if kind is lost and lost is not EventKind.SINK_FAILED and self._must_be_back(log, subject, at, ended):
                self.find(
                    "events", f"session {log.session.number} {at:.1f}: no {restored} until {ended:.1f}: {subject}"
                )

    def _devices(self, subject: str) -> list[str]:
        """Return the devices that a port or a device name stands for."""
        return [
            str(table["name"])
            for port in self.plan.ports
            for table in port.devices
            if subject in (port.port, table["name"])
        ]

    def _may_be_lost(self, kind: EventKind, subject: str, at: float) -> bool:
        if kind is EventKind.SINK_FAILED:
            return any(
                found.kind == "store-fails" and found.start <= at < found.end + 1 for found in self.plan.disturbances
            )
        return any(not self.quiet(device, at, at) for device in self._devices(subject))

    def _must_be_back(self, log: SessionLog, subject: str, at: float, ended: float) -> bool:
        devices = self._devices(subject)
        if any(device in log.left for device in devices):
            return False
        return any(
            self._quiet_since(device, self.at(ended)) < self.at(ended) - 2 * self.plan.period for device in devices
        )

    def _quiet_since(self, device: str, at: float) -> float:
        starts, ends = self._disturbed[device]
        index = bisect_right(starts, at) - 1
        return ends[index] if index >= 0 else 0.0

    def _judge_strangers(self, log: SessionLog) -> None:
        """Another instrument in the place of one is one event, and one more when the device is added again."""
        assert log.begun is not None
        begun, ended = self.at(log.begun), self.at(log.ended if log.ended is not None else log.finished or 0.0)
        for name in self._disturbed:
            events = [self.at(at) for at, event in of_kind(log, EventKind.WRONG_INSTRUMENT) if event.device == name]
            swaps = [
                found for found in self.plan.disturbances if found.kind.startswith("swap") and found.device == name
            ]
            for found in swaps:
                tail = self.tail(found, self.plan.port_of(name))
                next_swap = min((other.start for other in swaps if other.start > found.end), default=float("inf"))
                during = [at for at in events if found.start <= at <= min(found.end + tail, next_swap)]
                events = [at for at in events if at not in during]
                seen = (
                    found.start > begun
                    and found.start + tail < min(ended, found.end)
                    and not self._shared_trouble(found)
                )
                joined = sum(found.start <= self.at(until) <= found.end + tail for _, until in log.left.get(name, []))
                if len(during) > 1 + joined or (seen and not during and name not in log.left):
                    self.find(
                        "events",
                        f"session {log.session.number}: {len(during)} wrong_instrument of {name} in"
                        f" {found.start:.1f} to {found.end:.1f} ({found.kind})",
                    )
            if events:
                self.find("events", f"session {log.session.number}: wrong_instrument of {name} at {events}")

    def _shared_trouble(self, swap: Disturbance) -> bool:
        """Return True if something else disturbs the port during a swap, so that the stranger may not be noticed."""
        return any(
            found is not swap
            and (found.port == swap.port or found.kind in ("suspend", "store-full"))
            and found.start < swap.end
            and found.end + 200.0 > swap.start
            for found in self.plan.disturbances
        )

    def _judge_clock(self, log: SessionLog) -> None:
        """Each step of the clock is one event; two within some seconds may be one, and one at the edge may be none."""
        assert log.begun is not None
        ended = log.ended if log.ended is not None else log.finished or 0.0
        if ended - log.begun < 2 * EDGE_SECONDS:
            return
        parts = list(self.world.utc_steps.between(log.begun - EDGE_SECONDS, ended + EDGE_SECONDS))
        steps = [since for (*_, before), (since, _, after) in pairwise(parts) if abs(after - before) > LEAST_STEP * NS]
        inside = [at for at in steps if log.begun + EDGE_SECONDS < at < ended - EDGE_SECONDS]
        together = any(later - earlier < EDGE_SECONDS for earlier, later in pairwise(steps))
        events = len(list(of_kind(log, EventKind.CLOCK_STEP)))
        if not together and not (len(inside) <= events <= len(steps)):
            self.find("events", f"session {log.session.number}: {events} clock_step for {len(inside)} steps")

    # --- stores

    def judge_stores(self) -> None:
        files = {name: self._file_rows(name) for name in SINKS}
        for name, found in files.items():
            reported = Counter(key for log in self.world.logs for key in log.acknowledged[name])
            for key, count in found.items():
                if count > max(1, reported[key]):  # two frames that are discarded at one time have equal rows
                    self.find("stored", f"{name}: {count} times in the file: {key}")
            for log in self.world.logs:
                missing = [key for key in log.acknowledged[name] if key not in found]
                if missing:
                    self.find(
                        "stored", f"{name}: {len(missing)} acknowledged samples are not in the file: {missing[0]}"
                    )
        for log in self.world.logs:
            if log.outcome is not None and log.outcome.storage_error is None and not log.crashed:
                for name in SINKS:
                    count = len(log.acknowledged[name])
                    if count != log.outcome.summary.samples:
                        self.find("stored", f"{name}: {count} of {log.outcome.summary.samples} samples")
            if log.outcome is not None and log.outcome.storage_error is not None and not self._stores_failing(log):
                self.find("stored", f"session {log.session.number}: {log.outcome.storage_error}")
        self._judge_stored_events()

    def _is_full_at_the_end(self) -> bool:
        """Return True if the last session could write nothing, not even the end of what a crash left incomplete."""
        last = self.plan.sessions[-1]
        return any(
            found.kind == "store-full" and found.start < last.start and found.detail > last.end - last.start
            for found in self.plan.disturbances
        )

    def _file_rows(self, name: str) -> Counter[object]:
        if name == "sqlite":
            return Counter(
                (row.device, row.parameter, row.instance, row.tick, row.monotonic_ns, row.status) for row in self.rows
            )
        path = self.world.folder / f"rig.{name}"
        if not path.exists():
            return Counter()
        whole, _, torn = path.read_text().rpartition("\n")
        lines = whole.splitlines()
        begun = [log for log in self.world.logs if log.begun is not None]
        if torn and not (begun and begun[-1].crashed) and not self._is_full_at_the_end():
            self.find("stored", f"{name}: ends with an incomplete line: {torn!r}")
        records = csv.DictReader(lines) if name == "csv" else map(json.loads, lines)
        keys: Counter[object] = Counter()
        try:
            keys.update(map(record_key, records))
        except (ValueError, KeyError, TypeError) as error:
            self.find("stored", f"{name}: a line is no row: {error!r}")
        return keys

    def _judge_stored_events(self) -> None:
        """Every event of a run that was not killed is stored, once."""
        path = self.world.folder / "rig.sqlite"
        if not path.exists():
            return
        with closing(sqlite3.connect(path)) as database:
            found = Counter(database.execute("SELECT at_ns, kind, message FROM event").fetchall())
        for log in self.world.logs:
            if log.outcome is None or log.outcome.storage_error is not None or log.crashed:
                continue
            for _, event in log.events:
                if found[event.at_ns, event.kind.value, event.message] != 1 and event.kind is not EventKind.SINK_FAILED:
                    self.find(
                        "stored", f"event stored {found[event.at_ns, event.kind.value, event.message]} times: {event}"
                    )

    def _stores_failing(self, log: SessionLog) -> bool:
        ended = self.at(log.ended if log.ended is not None else log.finished or 0.0)
        return any(
            found.kind.startswith("store") and found.start <= ended + 30 and found.end + found.detail > ended - 5
            for found in self.plan.disturbances
        )

    # --- sessions

    def _gave_up(self, log: SessionLog) -> bool:
        """Return True if a session ended because no sink could store any more: each has said what it has lost."""
        final = {event.message.split(":")[0] for _, event in log.events if is_final(event)}
        at = self.at(log.finished or 0.0) - CLOSING_SECONDS
        return len(final) == len(SINKS) and self._may_be_lost(EventKind.SINK_FAILED, "", at)

    def _may_lose_rows(self, log: SessionLog) -> bool:
        """Return True if a session ended with the report of lost rows: a store failed that may buffer few only."""
        failing = any(
            found.kind == "store-fails" and found.start <= log.session.end and found.end >= log.session.start
            for found in self.plan.disturbances
        )
        return isinstance(log.error, SamplesLostError) and failing and self.plan.buffer_size < UNLIMITED

    def judge_sessions(self) -> None:
        for log in self.world.logs:
            number = log.session.number
            if log.error is not None and not self._may_lose_rows(log):
                self.find("ends", f"session {number} ended with {log.error!r}")
            if log.ports_left_open:
                self.find("ends", f"session {number} left ports open: {log.ports_left_open}")
            if log.begun is not None and log.ended is None and not self._gave_up(log):
                self.find("ends", f"session {number} ended although it was not asked to")
            if log.ended is not None and log.finished is not None:
                allowed = 20.0 + sum(
                    3 * found.detail for found in self.plan.disturbances if found.kind in ("store-slow", "store-full")
                )
                if log.finished - log.ended > allowed:
                    self.find("ends", f"session {number} took {log.finished - log.ended:.1f} s to end")
            if log.begun is None and all(
                self._quiet_since(name, log.session.end) < log.session.end - 120.0 for name in self._disturbed
            ):
                self.find("ends", f"session {number} could not be opened although nothing disturbs it")


def delayed(suspends: Iterable[Disturbance], found: Disturbance) -> Disturbance:
    """Return a disturbance as it is noticed: what happens while the computer sleeps is there when it wakes."""
    for suspend in suspends:
        if suspend.start <= found.end <= suspend.end:
            return replace(found, end=suspend.end)
    return found


def record_key(record: Mapping[str, Any]) -> object:
    """Return the key of a record of a text file, which is that of its sample."""
    tick = None if record["tick"] in ("", None) else int(record["tick"])
    device, parameter, instance = record["device"], record["parameter"], int(record["instance"])
    return device, parameter, instance, tick, int(record["monotonic_ns"]), record["status"]


def merged(times: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return the starts and the ends of times, without overlaps."""
    starts: list[float] = []
    ends: list[float] = []
    for start, end in sorted(times):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def grouped(rows: Iterable[StoredRow]) -> Iterator[tuple[tuple[int, tuple[str, str, int]], list[StoredRow]]]:
    """Return the rows of each session and channel, in the order in which they were stored."""
    ordered = sorted(rows, key=lambda row: (row.session, row.channel))
    for key, found in groupby(ordered, key=lambda row: (row.session, row.channel)):
        yield key, list(found)


def of_kind(log: SessionLog, kind: EventKind) -> Iterator[tuple[float, Event]]:
    return ((at, event) for at, event in log.events if event.kind is kind)


def is_final(event: Event) -> bool:
    """Return True for what a failing sink says at the end: how many samples it has lost. That is no change of state."""
    return re.search(r"^sink \w+: \d+ samples lost", event.message) is not None


def lost_rows(log: SessionLog) -> int:
    """Return how many samples the database sink of a session has reported as lost, all in all."""
    found = (re.search(r"^sink sqlite: .*?(\d+) (?:samples )?lost", event.message) for _, event in log.events)
    return max([0, *(int(match[1]) for match in found if match)])


def subject_of(event: Event) -> str:
    """Return what an event is about: a device, a port, or the sink that its message begins with."""
    return event.device or event.port or event.message.split(":")[0]


def channel_of(row: StoredRow) -> Channel:
    return Channel(
        device=row.device, driver="", protocol="", address=None, parameter=row.parameter, instance=row.instance
    )


def shown(row: StoredRow) -> str:
    return f"session {row.session} slot {row.tick} {row.device}.{row.parameter} at {row.requested:.3f} s"


def digest(world: World, rows: Sequence[StoredRow]) -> str:
    """Return a number of a life: equal lives have equal numbers. Run ids are random and not part of it."""
    sha = hashlib.sha256()
    for row in rows:
        sha.update(
            repr((row.session, row.channel, row.tick, row.value, row.unit, row.status, row.monotonic_ns)).encode()
        )
    for log in world.logs:
        for at, event in log.events:
            sha.update(repr((at, event.kind.value, event.device, event.port)).encode())
    return sha.hexdigest()[:12]
