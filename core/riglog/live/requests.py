"""Each request of a browser and its reply. No sockets."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Mapping
from importlib.resources import files
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError, StorageError
from riglog.live.access import Access
from riglog.live.feed import Feed
from riglog.live.metrics import CONTENT_TYPE, metrics
from riglog.live.source import LiveChannel, Span, SpanReply
from riglog.live.tail import MS
from riglog.model import NS, iso
from riglog.sinks.csv import CsvWriter
from riglog.sinks.rows import Column, Kind
from riglog.sinks.sqlite.recorded import EARLIEST_NS, LATEST_NS

JSON = "application/json"
STATIC = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/static/page.css": ("page.css", "text/css; charset=utf-8"),
    "/static/text.js": ("text.js", "text/javascript; charset=utf-8"),
    "/static/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
    "/static/table.js": ("table.js", "text/javascript; charset=utf-8"),
    "/static/hands.js": ("hands.js", "text/javascript; charset=utf-8"),
    "/static/plots.js": ("plots.js", "text/javascript; charset=utf-8"),
    "/static/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
MOST_STREAMS = 120
AT_ONCE = 2
"""Charts that are computed at the same time; further ones wait."""
WAIT_SECONDS = 10.0
MOST_EVENTS = 1_000
DEFAULT_SPAN_NS = 600 * NS
CSV_COLUMNS = (
    Column("channel", Kind.TEXT, True),
    Column("unit", Kind.TEXT),
    Column("time", Kind.TIME, True),
    Column("rows", Kind.INTEGER),
    Column("values", Kind.INTEGER),
    Column("low", Kind.REAL),
    Column("mean", Kind.REAL),
    Column("high", Kind.REAL),
    Column("status", Kind.TEXT),
)
_charts = threading.BoundedSemaphore(AT_ONCE)
_streams = threading.BoundedSemaphore(MOST_STREAMS)


class Request(Struct, frozen=True):
    """``path`` has the query too."""

    method: str
    path: str
    headers: Any
    body: bytes | None = None


class Reply(Struct, kw_only=True):
    """``stream`` replaces ``body``: it is sent until it ends."""

    status: int = 200
    kind: str = JSON
    body: bytes = b""
    headers: Mapping[str, str] = {}
    stream: Generator[bytes, None, None] | None = None


class NewNote(Struct, frozen=True, forbid_unknown_fields=True):
    """What the form for a note sends."""

    text: str
    author: str
    device: str | None = None


class NewAcknowledgement(Struct, frozen=True, forbid_unknown_fields=True):
    """What the button of an alarm sends."""

    alarm: str
    author: str


class Query:
    """The parameters of a request; each of them once, except where it is a list."""

    def __init__(self, query: str) -> None:
        try:
            self._values = parse_qs(query, keep_blank_values=False, max_num_fields=200)
        except ValueError as error:
            raise ConfigError(f"invalid parameters: {error}") from None

    def text(self, name: str) -> str | None:
        """Return a text; None if it is not there."""
        values = self._values.get(name)
        return None if values is None else values[-1]

    def number(self, name: str, default: float) -> float:
        """Return a finite number.

        Raises:
            ConfigError: it is none.
        """
        text = self.text(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < 1e16:
            raise ConfigError(f"{name}: {text!r} is not a number in range")
        return value

    def time(self, name: str, default_ms: float) -> int:
        """Return a time in nanoseconds; one that no recording can have is the nearest that it can have.

        Raises:
            ConfigError: it is no finite number.
        """
        return max(EARLIEST_NS, min(LATEST_NS, round(self.number(name, default_ms) * MS)))

    def numbers(self, name: str) -> list[int]:
        """Return the whole numbers of a list.

        Raises:
            ConfigError: one is none.
        """
        texts = [part for text in self._values.get(name, ()) for part in text.split(",")]
        if not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in texts):
            raise ConfigError(f"{name}: whole numbers are needed")
        return list(dict.fromkeys(map(int, texts)))


def refused(status: int, message: str, hint: str | None = None) -> Reply:
    """Return the reply to a request that cannot be fulfilled."""
    return Reply(status=status, body=_encoded({"error": message, "hint": hint}))


def respond(request: Request, feed: Feed, access: Access) -> Reply:
    """Return the reply to a request.

    Raises:
        RiglogError: it cannot be fulfilled.
    """
    if not access.is_known_host(request.headers.get("Host")):
        return refused(421, "unknown name of this server", "Use its address, or start it with --hostname NAME")
    parts = urlsplit(request.path)
    query = Query(parts.query)
    if (token := query.text("token")) is not None and parts.path == "/":
        return _logged_in(access) if access.is_token(token) else refused(401, "wrong token")
    if not access.is_allowed(request.headers.get("Cookie"), request.headers.get("Authorization")):
        return refused(401, "the token is missing", "Open the address that riglog live has printed")
    if request.method == "POST":
        return _posted(request, feed, access)
    if parts.path in STATIC:
        return _static(parts.path)
    if parts.path == "/api/stream":
        return _stream(request, feed)
    if parts.path == "/api/session":
        return _json({"note_token": access.note_token})
    handler = HANDLERS.get(parts.path)
    return refused(404, "no such page") if handler is None else handler(query, feed)


def _static(path: str) -> Reply:
    name, kind = STATIC[path]
    body = files("riglog.live").joinpath("static", name).read_bytes()
    return Reply(kind=kind, body=body, headers={"Cache-Control": "no-cache"})


FRESH = {"Cache-Control": "no-store"}


def _logged_in(access: Access) -> Reply:
    """Return to the page without the token in its address; the browser keeps a cookie that no script can read."""
    cookie = f"{access.cookie_name}={access.cookie}; Path=/; HttpOnly; SameSite=Strict"
    return Reply(status=303, headers={"Location": "/", "Set-Cookie": cookie, **FRESH})


def _stream(request: Request, feed: Feed) -> Reply:
    if request.method == "HEAD":
        return Reply(kind="text/event-stream", headers=FRESH)
    if not _streams.acquire(blocking=False):
        return refused(503, "too many browsers look at this page")

    def stream() -> Generator[bytes, None, None]:
        try:
            yield from feed.stream(request.headers.get("Last-Event-ID"))
        finally:
            _streams.release()

    return Reply(kind="text/event-stream", headers=FRESH, stream=stream())


def _posted(request: Request, feed: Feed, access: Access) -> Reply:
    """Take in what the page sends to the recording."""
    headers, path = request.headers, urlsplit(request.path).path
    if path not in POSTED:
        return refused(405, "this cannot be posted")
    what, kind, send = POSTED[path]
    content_type = (headers.get("Content-Type") or "").partition(";")[0].strip()
    if content_type != JSON or not access.may_note(
        headers.get("Host"), headers.get("Origin"), headers.get("Sec-Fetch-Site"), headers.get("X-Riglog-Token")
    ):
        return refused(403, f"{what} must come from this page")
    try:
        content = msgspec.json.decode(request.body or b"", type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        return refused(400, f"not {what}: {error}")
    if not content.author.strip():
        raise ConfigError(f"{what} needs an author", hint="Write your name")
    if len(content.author) > 100:
        raise ConfigError("the name of the author is too long", hint="Use at most 100 characters")
    if not feed.source.takes_notes:
        return refused(405, f"{what} can be stored in SQLite recordings only")
    return Reply(body=_encoded({"state": send(feed, content)}))


def _add_note(feed: Feed, note: NewNote) -> str:
    return feed.source.add_note(note.text, note.author.strip(), note.device)


def _acknowledge(feed: Feed, message: NewAcknowledgement) -> str:
    return feed.source.acknowledge(message.alarm, message.author.strip())


POSTED: dict[str, tuple[str, Any, Callable[[Feed, Any], str]]] = {
    "/api/notes": ("a note", NewNote, _add_note),
    "/api/alarms": ("an acknowledgement", NewAcknowledgement, _acknowledge),
}


def _channels(query: Query, feed: Feed) -> Reply:
    keys = ("id", "host", "device", "parameter", "instance", "name", "unit")
    return _json({"channels": [{key: getattr(channel, key) for key in keys} for channel in feed.look.channels]})


def _latest(query: Query, feed: Feed) -> Reply:
    look = feed.look
    return _json(
        {
            "now_ms": time.time() * 1000,
            "state": look.state,
            "message": look.message,
            "run": look.run,
            "channels": look.channels,
        }
    )


def _alarms(query: Query, feed: Feed) -> Reply:
    return _json({"alarms": feed.look.alarms})


def _runs(query: Query, feed: Feed) -> Reply:
    return _json({"runs": feed.source.runs()})


def _notes(query: Query, feed: Feed) -> Reply:
    return _json({"notes": feed.source.notes()})


def _events(query: Query, feed: Feed) -> Reply:
    found = feed.source.events(
        run=query.text("run"),
        start_ns=query.time("from", EARLIEST_NS / MS),
        end_ns=query.time("to", LATEST_NS / MS),
        limit=round(min(MOST_EVENTS, max(1, query.number("limit", 200)))),
    )
    return _json({"events": found})


def _series(query: Query, feed: Feed) -> Reply:
    found, _ = _span(query, feed)
    return _json(found)


def _csv(query: Query, feed: Feed) -> Reply:
    found, names = _span(query, feed, exact=True)
    file = BytesIO()
    writer = CsvWriter(file, CSV_COLUMNS)
    for series in found.series:
        channel = names[series.id]
        name = channel.name if channel.host is None else f"{channel.host}: {channel.name}"
        marks = dict(series.marks)
        buckets = series.width_ms is not None
        times = series.at_ns if series.at_ns and not buckets else [round(at * MS) for at in series.t]
        statuses: dict[int, str] = {}
        for at, _, status in series.marked:
            place = max(0, bisect_right(series.t, at) - 1)
            statuses[place] = " ".join(sorted({*statuses.get(place, "").split(), status}))
        writer.write(
            [
                (
                    name,
                    series.unit,
                    iso(at),
                    series.rows[place] if buckets else None,
                    series.count[place] if buckets else None,
                    series.low[place] if buckets else None,
                    series.mean[place],
                    series.high[place] if buckets else None,
                    statuses.get(place) if buckets else marks.get(place, "ok"),
                )
                for place, at in enumerate(times)
                if at is not None
            ]
        )
    disposition = 'attachment; filename="riglog-chart.csv"'
    headers = {"Content-Disposition": disposition, **FRESH}
    return Reply(kind="text/csv; charset=utf-8", body=file.getvalue(), headers=headers)


def _span(query: Query, feed: Feed, *, exact: bool = False) -> tuple[SpanReply, dict[int, LiveChannel]]:
    end = query.time("to", time.time() * 1000)
    wanted = Span(
        channels=query.numbers("channel"),
        start_ns=query.time("from", (end - DEFAULT_SPAN_NS) / MS),
        end_ns=end,
        buckets=round(query.number("buckets", 500)),
        run=query.text("run"),
        quick=query.text("quick") == "1",
        exact=exact,
    )
    names = feed.channels()
    if not _charts.acquire(timeout=WAIT_SECONDS):
        raise StorageError("too many charts are requested at the same time", hint="Repeat it")
    try:
        return feed.source.span(wanted, names), names
    finally:
        _charts.release()


def _metrics(query: Query, feed: Feed) -> Reply:
    return Reply(kind=CONTENT_TYPE, body=metrics(feed.look, time.time() * 1000), headers=FRESH)


def _json(content: Any) -> Reply:
    return Reply(body=_encoded(content), headers=FRESH)


def _encoded(content: Any) -> bytes:
    return msgspec.json.encode(content)


HANDLERS: dict[str, Callable[[Query, Feed], Reply]] = {
    "/api/channels": _channels,
    "/api/latest": _latest,
    "/api/series": _series,
    "/api/series.csv": _csv,
    "/api/events": _events,
    "/api/alarms": _alarms,
    "/api/runs": _runs,
    "/api/notes": _notes,
    "/metrics": _metrics,
}
