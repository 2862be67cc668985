"""Times on screens: local, with the offset from UTC. Recordings, files and JSON stay in UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime

from riglog.recordings.local_times import offset_text


def local(at: str) -> datetime:
    """Return an ISO 8601 time as a datetime in the time zone of this computer."""
    parsed = datetime.fromisoformat(at)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone()


def format_local(at: str | None, *, milliseconds: bool = False) -> str:
    """Return an ISO 8601 time for a table: ``2026-11-20 13:00:00 +01:00``; ``-`` for None."""
    if at is None:
        return "-"
    moment = local(at)
    fraction = f".{moment.microsecond // 1000:03d}" if milliseconds else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {offset_text(moment)}"


def local_column(heading: str, times: Sequence[str]) -> tuple[str, list[str]]:
    """Return the heading of a column of times, and its texts with milliseconds.

    The offset is in the heading, unless it changes from row to row, as in a night of the change to summer time.
    """
    moments = [local(at) for at in times]
    offsets = {offset_text(moment) for moment in moments}
    if len(offsets) > 1:
        return heading, [format_local(at, milliseconds=True) for at in times]
    offset = "".join(offsets)
    name = "UTC" if offset in ("", "+00:00") else offset
    texts = [f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}" for moment in moments]
    return f"{heading} ({name})", texts
