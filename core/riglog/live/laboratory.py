"""A central PostgreSQL database as the source of a page: the channels of all hosts and rigs."""

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET

from riglog.errors import RiglogError
from riglog.live.source import (
    EVENTS,
    LiveAlarm,
    LiveChannel,
    LiveEvent,
    LiveRun,
    Look,
    Point,
    Series,
    Source,
    Span,
    SpanReply,
    condition,
)
from riglog.live.spans import check_span, is_gap, most_rows, width_of
from riglog.live.tail import MS, period_of
from riglog.model import NS, current_kind
from riglog.recordings.gaps import Key
from riglog.sinks.postgres.central import UnreachableError
from riglog.sinks.postgres.reader import CentralReader
from riglog.sinks.postgres.tables import quoted

EVENT_LOOKS = 3
"""Runs, events and alarms are looked up with every so many looks."""
NEWEST_ROWS = 8
CHANNEL = "(device, parameter, instance, host)"
NEWEST = f"""
WITH RECURSIVE channel AS (
    (SELECT device, parameter, instance, host FROM {{schema}}.samples
     ORDER BY device, parameter, instance, host LIMIT 1)
    UNION ALL
    SELECT following.* FROM channel, LATERAL (
        SELECT device, parameter, instance, host FROM {{schema}}.samples
        WHERE {CHANNEL} > (channel.device, channel.parameter, channel.instance, channel.host)
        ORDER BY device, parameter, instance, host LIMIT 1
    ) AS following
)
SELECT newest.* FROM channel, LATERAL (
    SELECT host, device, parameter, instance, run, received_at, value, text, unit, status, flags, error
    FROM {{schema}}.samples
    WHERE {CHANNEL} = (channel.device, channel.parameter, channel.instance, channel.host)
    ORDER BY received_at DESC LIMIT {NEWEST_ROWS}
) AS newest"""  # noqa: S608 - a checked name of a schema
LAST_VALUE = """
SELECT received_at, value, text, unit FROM {schema}.samples
WHERE device = $1 AND parameter = $2 AND instance = $3 AND host = $4 AND received_at > $5
    AND (value IS NOT NULL OR text IS NOT NULL) ORDER BY received_at DESC LIMIT 1"""
LAST_VALUE_NS = 86_400 * NS
"""So far back a last value is looked for."""
RUNS = "SELECT run, name, host, started_at, finished_at, rate_hz FROM {schema}.runs ORDER BY started_at"
EVENT_COLUMNS = "at, kind, run, host, device, port, message"
NEWEST_EVENTS = f"SELECT {EVENT_COLUMNS} FROM {{schema}}.events ORDER BY at DESC LIMIT {EVENTS}"  # noqa: S608
EVENTS_OF_A_TIME = f"""
SELECT {EVENT_COLUMNS} FROM {{schema}}.events WHERE at >= $1 AND at < $2 AND ($3::text IS NULL OR run = $3)
ORDER BY at DESC LIMIT $4"""  # noqa: S608
ALARMS = f"""
SELECT {EVENT_COLUMNS} FROM {{schema}}.events
WHERE kind IN ('alarm_raised', 'alarm_cleared', 'alarm_acknowledged')
    AND (run, host) IN (SELECT run, host FROM {{schema}}.runs WHERE finished_at IS NULL)
ORDER BY at"""  # noqa: S608
ROWS = """FROM {schema}.samples WHERE device = $1 AND parameter = $2 AND instance = $3 AND host = $4
    AND received_at >= $5 AND received_at < $6 AND ($7::text IS NULL OR run = $7)"""
COUNT = f"SELECT count(*) FROM (SELECT 1 {ROWS} LIMIT $8) AS first"  # noqa: S608
SINGLY = f"SELECT received_at, run, tick, value, unit, status {ROWS} ORDER BY received_at, sequence"
BUCKETS = f"""
SELECT date_bin($8::interval, received_at, 'epoch') AS bucket, count(*), count(number), min(number), max(number),
    avg(number), max(received_at), min(received_at) FILTER (WHERE status = 'suspect'),
    min(number) FILTER (WHERE status = 'suspect'), min(received_at) FILTER (WHERE status = 'fault'),
    min(number) FILTER (WHERE status = 'fault')
FROM (SELECT received_at, status, CASE WHEN unit IS NOT DISTINCT FROM $9 THEN value END AS number {ROWS}) AS found
GROUP BY bucket ORDER BY bucket"""  # noqa: S608
Names = tuple[str, str, int, str]


class LaboratorySource(Source):
    """The channels of a central database; those of rigs that have ended, too.

    Args:
        shown: how a value is written.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """

    look_seconds = 2.0
    worst_first = True

    def __init__(self, reader: CentralReader, shown: Callable[[float | None, str | None], str]) -> None:
        self.title = reader.address.shown
        self._reader = reader
        self._shown = shown
        self._channels: dict[Names, LiveChannel] = {}
        self._runs: list[LiveRun] = []
        self._finished: set[tuple[str, str | None]] = set()
        self._events: set[tuple[Any, ...]] = set()
        self._alarms: list[LiveAlarm] = []
        self._looks = 0
        self._fetch(RUNS)  # what cannot be read is an error now, and a state later

    def look(self, now_ns: int) -> Look:
        points: dict[int, list[Point]] = {}
        events: list[LiveEvent] = []
        state, message = "laboratory", ""
        is_first = self._looks == 0
        try:
            points = self._read_channels(now_ns)
            if self._looks % EVENT_LOOKS == 0:
                self._read_runs()
                events = self._read_events()
                self._alarms = self._read_alarms()
            self._looks += 1
        except RiglogError as error:
            state = "unreachable" if isinstance(error, UnreachableError) else "unreadable"
            message = error.text(without=("database", "schema"))
        self._set_conditions(now_ns)
        message = message or self._summary()
        channels = [copy(channel) for channel in self._channels.values()]
        return Look(
            state=state,
            message=message,
            renewed=is_first,
            channels=channels,
            points=points,
            events=events,
            alarms=self._alarms,
        )

    def span(self, wanted: Span, names: dict[int, LiveChannel]) -> SpanReply:
        check_span(wanted, names)
        width, _ = width_of(wanted, names)
        series = [self._series(wanted, names[number], width) for number in wanted.channels]
        return SpanReply(from_ms=wanted.start_ns / MS, to_ms=wanted.end_ns / MS, coarse=False, series=series)

    def runs(self) -> list[LiveRun]:
        return self._runs

    def events(self, *, run: str | None, start_ns: int, end_ns: int, limit: int) -> list[LiveEvent]:
        found = self._fetch(EVENTS_OF_A_TIME, _moment(start_ns), _moment(end_ns), run, limit)
        return [_event(each) for each in reversed(found)]

    def close(self) -> None:
        self._reader.close()

    def _fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._reader.fetch(query.format(schema=quoted(self._reader.schema)), *values)

    def _read_channels(self, now_ns: int) -> dict[int, list[Point]]:
        rows: dict[Names, list[tuple[Any, ...]]] = {}
        for host, device, parameter, instance, *rest in self._fetch(NEWEST):
            rows.setdefault((device, parameter, instance, host), []).append(tuple(rest))
        points = {}
        for names, found in rows.items():
            channel = self._channels.get(names)
            if channel is None:
                channel = self._channels[names] = _new_channel(len(self._channels) + 1, names)
            known = channel.received_ms
            self._update(channel, found, now_ns)
            new = [
                (_ms(row[1]), row[2] if row[4] == channel.unit else None)
                for row in reversed(found)
                if known is not None and _ms(row[1]) > known
            ]
            if new:
                points[channel.id] = new
        return points

    def _update(self, channel: LiveChannel, rows: list[tuple[Any, ...]], now_ns: int) -> None:
        """Bring a channel up to date from its newest rows, the newest one first."""
        run, received, _, _, unit, status, flags, error = rows[0]
        channel.run, channel.received_ms = run, _ms(received)
        channel.status, channel.flags, channel.error = status, flags, error
        channel.period = period_of([round(_ms(row[1]) * MS) for row in rows], None)
        if channel.unit is None:
            channel.unit = unit
        valued = [(row[1], *row[2:5]) for row in rows if row[2] is not None or row[3] is not None]
        if not valued and channel.value_ms is None:
            names = channel.device, channel.parameter, channel.instance, channel.host
            valued = self._fetch(LAST_VALUE, *names, _moment(now_ns - LAST_VALUE_NS))
        if valued:
            at, channel.value, channel.text, unit = valued[0]
            channel.value_ms, channel.unit = _ms(at), unit if unit is not None else channel.unit
            channel.shown = self._shown(channel.value, channel.text)

    def _read_runs(self) -> None:
        newest: dict[tuple[str | None, str | None], float] = {}
        for channel in self._channels.values():
            key = channel.run, channel.host
            newest[key] = max(newest.get(key, 0.0), channel.received_ms or 0.0)
        self._runs = [
            LiveRun(
                run=run,
                name=name,
                host=host,
                started_ms=_ms(started),
                ended_ms=newest.get((run, host)) if finished is None else _ms(finished),
                finished=finished is not None,
                rate_hz=rate,
            )
            for run, name, host, started, finished, rate in self._fetch(RUNS)
        ]
        self._finished = {(run.run, run.host) for run in self._runs if run.finished}

    def _read_events(self) -> list[LiveEvent]:
        found = self._fetch(NEWEST_EVENTS)
        new = [each for each in found if each not in self._events]
        self._events = set(found)
        return [_event(each) for each in reversed(new)]

    def _read_alarms(self) -> list[LiveAlarm]:
        """Return the alarms that are open, as the events of runs that have no end show them."""
        found: dict[tuple[Any, ...], LiveAlarm] = {}
        for at, kind, run, host, device, _, message in self._fetch(ALARMS):
            about, _, text = message.partition(": ")
            name, _, parameter = about.rpartition(" on ")
            key = run, host, device, about
            channel = f"{host}: {device}.{parameter}"
            before = found.get(key)
            if kind == "alarm_acknowledged":
                if before is not None:
                    state, since, reason = before.state, before.at_ms, before.text
                    found[key] = _alarm(name, channel, state, since, reason, acknowledged=True)
            else:
                seen = before is not None and before.acknowledged and kind == "alarm_cleared"
                found[key] = _alarm(name, channel, kind.removeprefix("alarm_"), _ms(at), text, acknowledged=seen)
        return [alarm for alarm in found.values() if alarm.state == "raised" or not alarm.acknowledged]

    def _set_conditions(self, now_ns: int) -> None:
        for channel in self._channels.values():
            at = channel.value_ms if channel.value_ms is not None else channel.received_ms or 0.0
            ended = (channel.run, channel.host) in self._finished
            channel.condition = "ended" if ended else condition((now_ns / MS - at) / 1000, channel.period)

    def _summary(self) -> str:
        hosts = {channel.host for channel in self._channels.values()}
        rigs = {(run.host, run.name) for run in self._runs if not run.finished}
        counts = dict.fromkeys(("live", "old", "dead"), 0)
        for channel in self._channels.values():
            if channel.condition in counts:
                counts[channel.condition] += 1
        raised = sum(alarm.state == "raised" for alarm in self._alarms)
        parts = [f"hosts: {len(hosts)}", f"rigs without an end: {len(rigs)}"]
        parts += [f"{word}: {count}" for word, count in counts.items()]
        return ", ".join([*parts, f"alarms: {raised}"])

    def _series(self, wanted: Span, channel: LiveChannel, width: int) -> Series:
        names = channel.device, channel.parameter, channel.instance, channel.host
        values = (*names, _moment(wanted.start_ns), _moment(wanted.end_ns), wanted.run)
        limit = most_rows(wanted) + 1
        series = Series(id=channel.id, unit=channel.unit)
        series.at_ns = [] if wanted.exact else UNSET
        if self._fetch(COUNT, *values, limit)[0][0] < limit:
            last: tuple[str, int | None] | None = None
            for at, run, tick, value, unit, status in self._fetch(SINGLY, *values):
                after_gap = last is not None and is_gap(last, (run, tick))
                series.add_row(_ns(at), value if unit == channel.unit else None, status, after_gap=after_gap)
                last = run, tick
                series.last_ms = _ms(at)
            return series
        size = timedelta(microseconds=width // 1000)
        for at, rows, count, low, high, mean, newest, *marks in self._fetch(BUCKETS, *values, size, channel.unit):
            series.t.append(_ms(at))
            series.rows.append(rows)
            series.count.append(count)
            series.low.append(low)
            series.high.append(high)
            series.mean.append(mean)
            series.last_ms = _ms(newest)
            for first, value, status in (*marks[:2], "suspect"), (*marks[2:], "fault"):
                if first is not None:
                    series.marked.append((_ms(first), value, status))
        series.width_ms = width / MS
        return series


def _new_channel(number: int, names: Names) -> LiveChannel:
    device, parameter, instance, host = names
    name = str(Key("", device, parameter, instance))
    return LiveChannel(
        id=number, host=host, device=device, parameter=parameter, instance=instance, name=name, run=None, unit=None
    )


def _alarm(
    name: str, channel: str, state: str, at_ms: float | None, text: str | None, *, acknowledged: bool
) -> LiveAlarm:
    return LiveAlarm(name=name, channel=channel, state=state, acknowledged=acknowledged, at_ms=at_ms, text=text)


def _event(found: tuple[Any, ...]) -> LiveEvent:
    at, kind, run, host, device, port, message = found
    return LiveEvent(
        at_ms=_ms(at), kind=current_kind(kind), run=run, host=host, device=device, port=port, message=message
    )


def _moment(ns: int) -> datetime:
    """Return a time for a query, within what PostgreSQL and Python can express."""
    return datetime.fromtimestamp(min(max(ns // NS, 0), 4_000_000_000), UTC).replace(microsecond=ns // 1000 % 1_000_000)


def _ns(at: datetime) -> int:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds) * 1000


def _ms(at: datetime) -> float:
    return _ns(at) / MS
