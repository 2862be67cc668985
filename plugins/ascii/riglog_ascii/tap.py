"""Lines of an instrument that a file describes, by whoever sent them. Pure."""

from collections.abc import Mapping, Sequence

from riglog.device import DeviceContext
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame
from riglog.errors import ConfigError
from riglog.instrument import Description
from riglog.instrument.tapped import TappedValues
from riglog.model import Sample, Stamp
from riglog_ascii.config import AsciiConfig
from riglog_ascii.decode import explained
from riglog_ascii.description import AsciiFormat, line_of
from riglog_ascii.lines.codec import MAX_LINE, AsciiCodec, AsciiReply, AsciiRequest, may_begin, text_of
from riglog_ascii.lines.protocol import TIMEOUT, LineProtocol, readings_of
from riglog_ascii.samples import AsciiQuantity


class LineReader(FrameReader[AsciiRequest]):
    """Reads the requests of the file, and lines. A line alone is never a value: its request states what it is."""

    command_help = "the text of a request of the instrument file, without its end"

    def __init__(
        self,
        config: AsciiConfig,
        context: DeviceContext,
        description: Description[AsciiQuantity],
        selected: Sequence[str],
    ) -> None:
        super().__init__(AsciiCodec(), context, line_of(description).timeout or TIMEOUT)
        self._description = description
        self._protocol = LineProtocol(config, description, config.timeout)
        self._requests = self._protocol.requests
        line = line_of(description)
        self._ends = tuple(end.encode("latin-1") for end in dict.fromkeys((line.reply_end, line.terminator)))
        self._check = line.check
        self._values = TappedValues(AsciiFormat(), description, selected, has_check=line.check is not None)

    def command(self, words: Sequence[str]) -> AsciiRequest:
        text = " ".join(words)
        known = [self._text(request.frame) for request in self._requests.values()]
        for request in self._requests.values():
            if self._text(request.frame) == text:
                return request
        raise ConfigError(
            f"unknown request {text!r}",
            hint=f"Requests that read: {', '.join(known[:12]) or 'none'}. Send any bytes with --frame HEX --confirm",
        )

    def first_frame(self, data: bytes, awaited: AsciiRequest | None, *, final: bool) -> SeenFrame | Incomplete | None:
        for request in self._requests.values():
            if data.startswith(request.frame):
                text = self._text(request.frame)
                return SeenFrame(FrameKind.REQUEST, request.frame, text, request.address, request)
        ends = [at + len(end) for end in self._ends if (at := data.find(end)) >= 0]
        if not ends:
            return INCOMPLETE if len(data) <= MAX_LINE and not final else None
        if awaited is not None and awaited.lines > 1 and may_begin(awaited, data[: data.find(awaited.end)]):
            whole = self._lines(data, awaited)
            if whole is None and not final:
                return INCOMPLETE
            if whole is not None:
                text = " | ".join(text_of(line) or "?" for line in whole.split(awaited.end)[:-1])
                return SeenFrame(FrameKind.REPLY, whole, text)
        raw = data[: min(ends)]
        text_in = text_of(raw)
        if text_in is None:
            return SeenFrame(FrameKind.DAMAGED, raw, "no line of text")
        return SeenFrame(FrameKind.REPLY, raw, text_in or "(blank line)")

    @staticmethod
    def _lines(data: bytes, awaited: AsciiRequest) -> bytes | None:
        """Return the lines of a reply of several; None: not all of them have been received."""
        lines = data.split(awaited.end)
        if len(lines) <= awaited.lines:
            return None
        return awaited.end.join([*lines[: awaited.lines], b""])

    def fields(self, frame: SeenFrame, request: AsciiRequest | None) -> Mapping[str, object]:
        found = explained(self._description, frame.text, self._protocol.address)
        return {f"{read} {field}".strip(): text for read, field, text in found}

    def samples(self, frame: SeenFrame, request: AsciiRequest | None, stamp: Stamp) -> Sequence[Sample]:
        name = next((name for name, known in self._requests.items() if known is request), None)
        if name is None or request is None:
            return ()
        reply: AsciiReply | None = self.codec.decode(request, bytearray(frame.raw), final=True)
        if reply is None:
            return ()
        read = next(read for read in self._protocol.reads if read.name == name)
        readings = readings_of(reply, stamp, read, self._protocol.quantities)
        return self._values.samples(self.context, readings)

    def _text(self, frame: bytes) -> str:
        return text_of(frame, self._check) or frame.hex(" ")
