"""Requests and replies as lines of text. What proves that a line is a reply is its template. No I/O, no clock.

Most lines have no checksum, and most do not repeat the request. A line is accepted only if it matches one of the
templates of the request from its first to its last character. Whether the replies to two requests can be confused is
known from their templates: those of different first words cannot. After a timeout a request whose reply has another
first word is sent as resync request, if the file has one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from riglog.instrument.description import Instead
from riglog.protocol import COPY_GAP, Codec, Connection, ProtocolClient
from riglog_ascii.checks import LineCheck
from riglog_ascii.errors import InstrumentRefusedError
from riglog_ascii.templates import Template

MAX_LINE = 512
LINE_ENDS = b"\r\n"


class AsciiRequest(Struct, frozen=True, cache_hash=True):
    """A request with everything that decides what its reply is.

    Attributes:
        end: of the reply.
        address: that every reply carries; None: replies carry none.
        signature: equal for requests whose replies can be confused.
        check: the checksum of each line.
        lines: of which a reply consists; other lines stand alone.
        others: reads whose replies cannot be confused with that of this one.
    """

    frame: bytes
    replies: tuple[Template, ...]
    end: bytes
    instead: tuple[tuple[Template, Instead], ...] = ()
    errors: tuple[tuple[Template, str], ...] = ()
    repeatable: bool = True
    address: str | None = None
    signature: str = ""
    check: LineCheck | None = None
    lines: int = 1
    others: tuple["AsciiRequest", ...] = ()


class AsciiReply(NamedTuple):
    """A line, and the fields in it. ``instead``: what it means if it has no value."""

    line: str
    fields: tuple[tuple[str, str], ...] = ()
    instead: Instead | None = None


class AsciiCodec(Codec[AsciiRequest, AsciiReply]):
    """One codec for all instruments: a request brings the templates of its replies."""

    inter_frame_gap = COPY_GAP

    def encode(self, request: AsciiRequest) -> bytes:
        return request.frame

    def decode(self, request: AsciiRequest, buffer: bytearray, *, final: bool = False) -> AsciiReply | None:
        while (end := buffer.find(request.end)) >= 0:
            following = bytes(buffer).split(request.end)[: request.lines]
            is_complete = buffer.count(request.end) >= request.lines
            if request.lines > 1 and is_complete and (reply := reply_in(request, following)) is not None:
                del buffer[: sum(map(len, following)) + len(following) * len(request.end)]
                return reply
            if request.lines > 1 and not is_complete and not final and may_begin(request, bytes(buffer[:end])):
                return None  # the rest of it is still to come
            line = bytes(buffer[:end])
            del buffer[: end + len(request.end)]
            if (reply := reply_in(request, [line])) is not None:
                return reply
        if len(buffer) > MAX_LINE:
            del buffer[: -len(request.end)]
        return None

    def is_repeatable(self, request: AsciiRequest) -> bool:
        return request.repeatable

    def address(self, request: AsciiRequest) -> object:
        return request.address

    def reply_signature(self, request: AsciiRequest) -> object:
        return request.address, request.signature

    def resync_request(self, request: AsciiRequest, outstanding: Sequence[AsciiRequest]) -> AsciiRequest | None:
        taken = {self.reply_signature(one) for one in (request, *outstanding)}
        return next((other for other in request.others if self.reply_signature(other) not in taken), None)

    def confirming_request(self, request: AsciiRequest, outstanding: Sequence[AsciiRequest]) -> AsciiRequest | None:
        return self.resync_request(request, outstanding)

    def diagnose(self, request: AsciiRequest, received: bytes) -> str:
        lines = [line.strip(LINE_ENDS) for line in received.split(request.end) if line.strip(LINE_ENDS)]
        if request.check is not None and lines and all(request.check.removed(line) is None for line in lines):
            return "bad_checksum"
        return super().diagnose(request, received)

    def unsolicited(self, buffer: bytearray) -> AsciiReply | None:
        while buffer:
            ends = [at for at in (buffer.find(sign) for sign in LINE_ENDS) if at >= 0]
            if not ends:
                if len(buffer) > MAX_LINE:
                    buffer[:] = b"\xff"  # the tail of a line that is too long must not be taken for a line
                return None
            line = bytes(buffer[: min(ends)])
            del buffer[: min(ends) + 1]
            if line.strip():
                return AsciiReply(text_of(line) or "\ufffd")
        return None


class AsciiClient(ProtocolClient[AsciiRequest, AsciiReply]):
    """The client of a port with ASCII instruments."""

    codec: AsciiCodec

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, AsciiCodec())


def may_begin(request: AsciiRequest, line: bytes) -> bool:
    """Return True if a line can be the first of a reply of several lines."""
    text = text_of(line, request.check)
    return text is not None and any(template.lines[0].match(text) is not None for template in request.replies)


def reply_in(request: AsciiRequest, lines: Sequence[bytes]) -> AsciiReply | None:
    """Return the reply in lines that follow each other; None if they are none.

    Raises:
        InstrumentRefusedError: it is one of the error replies.
    """
    texts = [text for line in lines if (text := text_of(line, request.check)) is not None]
    if len(texts) < len(lines):
        return None
    text = "\n".join(texts)
    for template in request.replies:
        if (fields := template.match(text)) is not None:
            return AsciiReply(text, tuple(fields.items()))
    for template, what in request.instead:
        if template.match(text) is not None:
            return AsciiReply(text, instead=what)
    for template, meaning in request.errors:
        if template.match(text) is not None:
            raise InstrumentRefusedError(text, meaning)
    return None


def text_of(line: bytes, check: LineCheck | None = None) -> str | None:
    """Return a line as text, without line ends and checksum; None if it has characters that no text has, or another
    checksum.
    """
    content: bytes | None = line.strip(LINE_ENDS)
    if check is not None and content is not None:
        content = check.removed(content)
    if content is None:
        return None
    text = content.decode("latin-1")
    return text if all(sign.isprintable() or sign in "\x02\x03\x06\x15" for sign in text) else None
