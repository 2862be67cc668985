"""The lines: requests to bytes, bytes to replies. Every line ends with a carriage return and begins with the unit id.

There is no checksum, and a reply does not repeat its request: a line counts only if it has, from the first to the last
character, the shape of the reply to this request.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from riglog.errors import DeviceRefusedError, MalformedReplyError
from riglog.protocol import Codec, ProtocolClient
from riglog.protocol.codec import COPY_GAP
from riglog_alicat.identity import LAST_ROWS
from riglog_alicat.layout import KNOWN_FLAGS, Column

Kind = Literal["frame", "columns", "identity", "setpoint", "source", "unit", "full_scale", "firmware"]
Reply = tuple[str, ...]
"""The fields of a line, or the rows of a table."""

CR = b"\r"
DROPPED = b"\0\n\b"
"""An adapter appends NUL, and GP firmware pads texts with backspaces."""
MOST_ROWS = 64
ANY_FRAME = re.compile(r"[+-]?\d+(\.\d+)?( +\S+)*|-{2,}( +\S+)*")
SHAPES: dict[str, re.Pattern[str]] = {
    "setpoint": re.compile(r"([+-]?\d+(?:\.\d+)?) +([+-]?\d+(?:\.\d+)?) +(?:\d+) +(\S.*)"),
    "full_scale": re.compile(r"([+-]?\d+(?:\.\d+)?) +(?:\d+) +(\S.*)"),
    "unit": re.compile(r"(?:\d{1,3}) +(\S.*)"),
    "source": re.compile(r"([SUA])"),
    "firmware": re.compile(r"((?:\d{1,2}v\d\d|GP)\S*)(?: +.*)?"),
}
TABLE_ROW = re.compile(r"[DM]\d\d? .*")


class Request(Struct, frozen=True):
    """What is sent behind the unit id, and which reply belongs to it.

    Attributes:
        fields: the columns that a frame must have; none: any frame.
        rows: how many rows a table has; 0: not known, it ends when nothing more comes.
        changes: the request changes the instrument.
    """

    unit_id: str
    kind: Kind
    token: str = ""
    fields: tuple[Column, ...] = ()
    rows: int = 0
    changes: bool = False


def frame(unit_id: str, fields: tuple[Column, ...] = ()) -> Request:
    return Request(unit_id, "frame", fields=fields)


def columns(unit_id: str, rows: int = 0) -> Request:
    return Request(unit_id, "columns", "??D*", rows=rows)


def identity(unit_id: str) -> Request:
    return Request(unit_id, "identity", "??M*")


def unit(unit_id: str, stat: int) -> Request:
    return Request(unit_id, "unit", f"DCU {stat}")


def firmware(unit_id: str) -> Request:
    return Request(unit_id, "firmware", "VE")


def full_scale(unit_id: str, stat: int) -> Request:
    return Request(unit_id, "full_scale", f"FPF {stat}")


def setpoint(unit_id: str) -> Request:
    return Request(unit_id, "setpoint", "LS")


def setpoint_source(unit_id: str) -> Request:
    return Request(unit_id, "source", "LSS")


def new_setpoint(unit_id: str, value: str) -> Request:
    """A set point, from firmware 9v00 on."""
    return Request(unit_id, "setpoint", f"LS {value}", changes=True)


def new_setpoint_legacy(unit_id: str, value: str, fields: tuple[Column, ...]) -> Request:
    """A set point below firmware 9v00: the reply is a data frame."""
    return Request(unit_id, "frame", f"S {value}", fields=fields, changes=True)


class AlicatCodec(Codec[Request, Reply]):
    inter_frame_gap = COPY_GAP

    def encode(self, request: Request) -> bytes:
        return f"{request.unit_id}{request.token}\r".encode("ascii")

    def decode(self, request: Request, buffer: bytearray, *, final: bool = False) -> Reply | None:
        if request.kind in ("columns", "identity"):
            return _table(request, buffer, final)
        while (end := buffer.find(CR)) >= 0:
            line = text_of(buffer[:end])
            del buffer[: end + 1]
            if line is not None and (reply := _fields(request, line)) is not None:
                return reply
        return None  # more bytes are needed

    def is_repeatable(self, request: Request) -> bool:
        return not request.changes

    def address(self, request: Request) -> object:
        return request.unit_id

    def reply_signature(self, request: Request) -> object:
        return request.unit_id, request.kind

    def resync_request(self, request: Request, outstanding: Sequence[Request]) -> Request | None:
        """Every instrument has the first two, and nearly every one the third; their replies differ from each other."""
        taken = {other.kind for other in (request, *outstanding)}
        reads = (make(request.unit_id) for make in (identity, frame, firmware))
        return next((read for read in reads if read.kind not in taken), None)

    def diagnose(self, request: Request, received: bytes) -> str:
        if re.search(rb"(^|\r) [+-]\d", received):
            return "streaming"  # it sends frames without its letter, and nobody else on the port is heard
        return super().diagnose(request, received)


def text_of(line: bytes | bytearray) -> str | None:
    """Return a line without what adapters and old firmware add; None: noise."""
    cleaned = line.translate(None, DROPPED)
    return cleaned.decode("ascii") if cleaned.isascii() else None


def _fields(request: Request, line: str) -> Reply | None:
    """Return the fields of a line if it is the reply."""
    if _is_rejection(request, line):
        raise DeviceRefusedError("the instrument rejects the request", code="?")
    if line[:2] != f"{request.unit_id} ":
        return None
    content = line[1:].strip(" ")
    if request.kind != "frame":
        found = SHAPES[request.kind].fullmatch(content)
        return None if found is None else found.groups()
    if any(shape.fullmatch(content) for shape in SHAPES.values()) or TABLE_ROW.match(content):
        return None  # a reply to another request
    if not request.fields:
        return tuple(content.split()) if ANY_FRAME.fullmatch(content) else None
    tokens, required = tuple(content.split()), len(request.fields)
    expected = len(tokens) >= required and _pattern(request.fields).fullmatch(content)
    if not expected or KNOWN_FLAGS.intersection(tokens[:required]):
        raise MalformedReplyError("the frame does not have the columns that the instrument has listed")
    return tokens


@lru_cache(maxsize=128)
def _pattern(fields: tuple[Column, ...]) -> re.Pattern[str]:
    """Return the shape of a frame with these columns; flags are words of three characters."""
    return re.compile(" +".join(map(_column_pattern, fields)) + r"( +[A-Z][A-Z0-9]{2})*")


def _column_pattern(column: Column) -> str:
    if not column.is_number:
        return r"(?![+-]?\d+\.\d)\S+"  # a number here: a column was added
    point = rf"\.\d{{{column.decimals}}}" if column.decimals else ""
    sign = "[+-]" if column.is_signed else "[+-]?"
    return rf"({sign}\d+{point}|-{{2,}})"


def _table(request: Request, buffer: bytearray, final: bool) -> Reply | None:
    """Return the rows of a table when it is complete: with its last row, or when nothing more comes.

    The rows are numbered, so that none can be missing; no other line may be between them.
    """
    letter = request.token[2]
    rows: list[str] = []
    used = 0
    for line in bytes(buffer).split(CR)[:-1]:
        used += len(line) + 1
        text = text_of(line)
        if text == "":
            continue
        row = re.match(rf"{request.unit_id} +({letter}\d\d?) ", text or "")
        if text is not None and row is not None and int(row[1][1:]) == len(rows):
            rows.append(text)
            if len(rows) == (request.rows or MOST_ROWS) if letter == "D" else row[1] in LAST_ROWS:
                del buffer[:used]
                return tuple(rows)
        elif rows:
            del buffer[:used]
            raise MalformedReplyError("a row of a table is missing or damaged")
        elif text is not None and _is_rejection(request, text):
            del buffer[:used]
            raise DeviceRefusedError("the instrument rejects the request", code="?")
    if not final or not rows or letter != "D":
        return None
    del buffer[:used]
    return tuple(rows)


def _is_rejection(request: Request, line: str) -> bool:
    return re.fullmatch(rf"({request.unit_id} *)?\?", line) is not None


Client = ProtocolClient[Request, Reply]
