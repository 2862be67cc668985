"""Lines on a port, by whoever sent them: for `riglog raw` and `riglog tap`. Pure.

A frame has no names and no units: they are in the table of columns. Values are recorded only after the master has read
that table twice with the same reply, as the table has no checksum.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import structs

from riglog.device import DeviceContext
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame, unchecked
from riglog.errors import ConfigError
from riglog.model import Sample, Stamp
from riglog_alicat import protocol
from riglog_alicat.layout import Layout, parse_layout, places
from riglog_alicat.protocol import CR, AlicatCodec, Reply, Request, text_of
from riglog_alicat.samples import sample_of

LONGEST_LINE = 200
REQUEST = re.compile(r"([A-Z])((?:\S.*)?)")
REPLY = re.compile(r"([A-Z]) .*")
ROW = re.compile(r"([A-Z]) +[DM]\d\d? .*")
STREAMED = re.compile(r" +[+-]\d.*")
REJECTION = re.compile(r"\?")


class AlicatReader(FrameReader[Request]):
    """Reads the lines of one port. ``unit_id``: of the instrument that commands are for."""

    command_help = "what follows the unit id: ??M*, ??D*, VE, LS, DCU 5; frame is a data frame"

    def __init__(self, unit_id: str, context: DeviceContext) -> None:
        super().__init__(AlicatCodec(), context)
        self._unit_id = unit_id
        self._tables: dict[str, Reply] = {}  # by unit id: the table that was seen last
        self._layouts: dict[str, Layout] = {}  # proven by a second one

    def command(self, words: Sequence[str]) -> Request:
        token = " ".join(words)
        if not token.isascii() or not token.isprintable():
            raise ConfigError(f"invalid command {token!r}", hint=f"Give {self.command_help}")
        return request_of(self._unit_id, "" if token == "frame" else token)

    def first_frame(self, data: bytes, awaited: Request | None, *, final: bool) -> SeenFrame | Incomplete | None:
        end = data.find(CR) + 1
        if not end:
            return INCOMPLETE if len(data) < LONGEST_LINE and not final else None
        text = text_of(data[: end - 1])
        if text is None:
            return None
        if awaited is not None and awaited.kind in ("columns", "identity") and ROW.fullmatch(text):
            return self._table(data, awaited, final=final)
        if found := REPLY.fullmatch(text):
            return SeenFrame(FrameKind.REPLY, data[:end], text, found[1])
        if REJECTION.fullmatch(text):
            return SeenFrame(FrameKind.REPLY, data[:end], text)
        if found := REQUEST.fullmatch(text):
            return SeenFrame(FrameKind.REQUEST, data[:end], text, found[1], request_of(found[1], found[2].strip()))
        if STREAMED.fullmatch(text):
            return SeenFrame(FrameKind.UNSOLICITED, data[:end], text.strip())
        return None

    def _table(self, data: bytes, awaited: Request, *, final: bool) -> SeenFrame | Incomplete | None:
        """Return the rows with which ``data`` begins as one frame: they end with any other line, or when it is idle."""
        end = rows = 0
        while (next_end := data.find(CR, end) + 1) and ROW.fullmatch(text_of(data[end : next_end - 1]) or ""):
            end, rows = next_end, rows + 1
        if not final and CR not in data[end:]:
            return INCOMPLETE
        return SeenFrame(FrameKind.REPLY, data[:end], f"table of {rows} rows", awaited.unit_id)

    def fields(self, frame: SeenFrame, request: Request | None) -> Mapping[str, object]:
        if frame.kind is not FrameKind.REPLY:
            return {}
        layout = self._layouts.get(str(frame.address))
        tokens = frame.text.split()[1:]
        if layout is None or request is None or request.kind != "frame" or len(tokens) < len(layout.fields):
            return {}
        found: dict[str, object] = {
            column.name: f"{token} {column.unit_name or ''}".strip()
            for column, token in zip(layout.fields, tokens, strict=False)
        }
        return found | {"flags": " ".join(tokens[len(layout.fields) :]) or "none"}

    def samples(self, frame: SeenFrame, request: Request | None, stamp: Stamp) -> Sequence[Sample]:
        if request is None:
            return ()
        if request.kind == "columns":
            self._learn(request.unit_id, self.codec.decode(request, bytearray(frame.raw), final=True))
        layout = self._layouts.get(request.unit_id)
        if request.kind != "frame" or layout is None:
            return ()
        fields = layout.fields
        tokens = self.codec.decode(structs.replace(request, fields=fields), bytearray(frame.raw), final=True)
        if tokens is None:
            return ()
        flags = tokens[len(fields) :]
        context = self.at(request.unit_id)
        samples = []
        for ((key, instance), column), token in zip(places(layout).items(), tokens, strict=False):
            channel = context.channel(key, parameter_id=column.stat, instance=instance, unit=column.unit_name)
            samples.append(unchecked(sample_of(channel, column, token, flags, stamp)))
        return samples

    def _learn(self, unit_id: str, rows: Reply | None) -> None:
        """Use a table of columns if the one before it was equal."""
        before = self._tables.get(unit_id)
        self._layouts.pop(unit_id, None)
        if rows is None:
            return
        self._tables[unit_id] = rows
        if rows == before:
            self._layouts[unit_id] = parse_layout(rows)


def request_of(unit_id: str, token: str) -> Request:
    """Return the request of a line. One that is not known may change the instrument; its reply is a data frame."""
    command, _, argument = token.partition(" ")
    match command:
        case "" if not argument:
            return protocol.frame(unit_id)
        case "??D*" if not argument:
            return protocol.columns(unit_id)
        case "??M*" if not argument:
            return protocol.identity(unit_id)
        case "VE" if not argument:
            return protocol.firmware(unit_id)
        case "LSS" if not argument:
            return protocol.setpoint_source(unit_id)
        case "LS":
            return protocol.new_setpoint(unit_id, argument) if argument else protocol.setpoint(unit_id)
        case "DCU" if argument.isdigit():
            return protocol.unit(unit_id, int(argument))
        case "FPF" if argument.isdigit():
            return protocol.full_scale(unit_id, int(argument))
    return Request(unit_id, "frame", token, changes=True)
