"""Times of an export in the time zone of this computer, each with its offset from UTC. Recordings stay in UTC."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from riglog.sinks.base import Records
from riglog.sinks.rows import Column, Columns, Kind

OFFSET = Column("utc_offset", Kind.TEXT, True)
Pages = Iterator[tuple[float, Records]]


def localised(columns: Columns, pages: Pages, *, offset: bool) -> tuple[Columns, Pages]:
    """Return the columns and pages with local times; their names end with ``_local``.

    Args:
        offset: add a column with the offset of the last time of a record, for a format whose times cannot have one.
    """
    places = [place for place, column in enumerate(columns) if column.kind is Kind.TIME]
    named = [
        Column(f"{column.name}_local", column.kind, column.required) if column.kind is Kind.TIME else column
        for column in columns
    ]
    return [*named, OFFSET] if offset else named, _pages(pages, places, offset)


def _pages(pages: Pages, places: list[int], offset: bool) -> Pages:
    for share, records in pages:
        yield share, [_record(list(record), places, offset) for record in records]


def _record(record: list[object], places: list[int], offset: bool) -> list[object]:
    at = ""
    for place in places:
        time = record[place]
        if isinstance(time, str):
            record[place] = at = to_local(time)
    return [*record, at[-6:]] if offset else record


def to_local(time: str) -> str:
    """Return an ISO 8601 time in UTC as one with the offset of this computer at that time; all digits are kept."""
    minute = _local_minute(time[:16])
    return f"{minute[:16]}{time[16:].rstrip('Z')}{minute[-6:]}"


@lru_cache(maxsize=4096)
def _local_minute(minute: str) -> str:
    return datetime.fromisoformat(f"{minute}:00+00:00").astimezone().isoformat()


class LocalZone(tzinfo):
    """The time zone of this computer with its offset at each moment, also over a change of the clock."""

    def utcoffset(self, moment: datetime | None, /) -> timedelta:
        found = None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()
        return found or timedelta()

    def dst(self, moment: datetime | None, /) -> None:
        return None

    def tzname(self, moment: datetime | None, /) -> str:
        return "local" if moment is None else f"{moment:%z}"

    def fromutc(self, moment: datetime, /) -> datetime:
        local = moment.replace(tzinfo=UTC).astimezone()
        first = local.replace(tzinfo=None, fold=0)
        fold = int(first.astimezone().utcoffset() != local.utcoffset())
        return local.replace(tzinfo=self, fold=fold)


def local_moment(seconds: float) -> datetime:
    """Return a time in seconds since the epoch as local time with its offset."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()


def offset_text(moment: datetime) -> str:
    """Return the offset of a time from UTC: ``+01:00``."""
    text = f"{moment:%z}"
    return f"{text[:3]}:{text[3:5]}"


def time_labels(moments: Sequence[datetime]) -> list[str]:
    """Return the labels of ticks at local times: the date and the offset at the first, and where they change."""
    gaps = [later.timestamp() - at.timestamp() for at, later in itertools.pairwise(moments)]
    step = min(gaps, default=3600.0)
    shape = "%H:%M" if step >= 60 else "%H:%M:%S" if step >= 1 else "%H:%M:%S.%f"
    labels = []
    known = ("", "")
    for moment in moments:
        time = f"{moment:{shape}}"
        time = time.rstrip("0").rstrip(".") if "." in time else time
        day = (f"{moment:%Y-%m-%d}", offset_text(moment))
        labels.append(time if day == known else f"{time}\n{day[0]}\n{day[1]}")
        known = day
    return labels
