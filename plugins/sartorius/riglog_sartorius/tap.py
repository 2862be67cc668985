"""Frames and lines of a balance, by whoever sent them. Pure.

A line of SBI states which weight it has, so it is recorded whether its request was seen or not. A frame of xBPI does
not: it is recorded only as the reply to a request for that weight.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from riglog.device import DeviceContext, StatedFacts
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame, unchecked
from riglog.errors import ConfigError, DeviceRefusedError
from riglog.model import OK, Sample, Stamp, Status
from riglog.model.units import DEG_C
from riglog.transport import Link
from riglog_sartorius.config import XBPI, Quantity, SartoriusConfig
from riglog_sartorius.decode import explain, explain_command, explain_line, explain_request, is_request
from riglog_sartorius.errors import is_seven_bit_text
from riglog_sartorius.load import reply_timeout
from riglog_sartorius.samples import Amount, Reading, temperature_sample, weight_sample
from riglog_sartorius.sbi.codec import MAX_LINE, SbiCodec
from riglog_sartorius.sbi.commands import COMMAND, ESC, Reply, SbiRequest
from riglog_sartorius.sbi.lines import END, Kind, Line, parse_line
from riglog_sartorius.sbi.protocol import line_reading, token_of
from riglog_sartorius.xbpi import opcodes
from riglog_sartorius.xbpi.codec import XbpiCodec, XbpiRequest
from riglog_sartorius.xbpi.frames import HOST, MARKER, MIN_LENGTH, U8, Frame, checksum, parse_frame, parse_items
from riglog_sartorius.xbpi.measurement import (
    decode_float40,
    is_status_block,
    parse_measurement,
    parse_status_block,
    weight_facts,
    weight_reading,
)
from riglog_sartorius.xbpi.opcodes import BY_NAME

QUANTITIES = {
    opcodes.READ_NET: Quantity.NET,
    opcodes.READ_NET_HIRES: Quantity.NET,
    opcodes.READ_GROSS: Quantity.GROSS,
    opcodes.READ_GROSS_HIRES: Quantity.GROSS,
    opcodes.READ_TARE_VALUE: Quantity.TARE,
    opcodes.READ_TARE_VALUE_HIRES: Quantity.TARE,
}
COMMAND_WITH_END = re.compile(COMMAND.pattern + rb"(\r\n)?", re.DOTALL)
LONGEST_COMMAND = 30


def reader_for(config: SartoriusConfig, link: Link, context: DeviceContext) -> FrameReader[Any]:
    """Return the reader of the configured protocol."""
    timeout = reply_timeout(link)
    if config.wire_protocol == XBPI:
        return XbpiReader(config.address, context, timeout)
    return SbiReader(config.crlf, context, timeout)


class XbpiReader(FrameReader[XbpiRequest]):
    """Reads xBPI frames."""

    command_help = "an opcode with its arguments in hex (1E 09 30), or its name (read_net, read_parameter 21 07)"

    def __init__(self, node: int, context: DeviceContext, timeout: float) -> None:
        super().__init__(XbpiCodec(), structs.replace(context, address=node), timeout)
        self._node = node
        self._facts: defaultdict[tuple[Quantity, int], StatedFacts] = defaultdict(StatedFacts)

    def command(self, words: Sequence[str]) -> XbpiRequest:
        first, *rest = words
        try:
            known = BY_NAME.get(first.lower())
            data = bytes.fromhex("".join(rest if known else words))
            code, args = (known.code, data) if known else (data[0], data[1:])
        except (ValueError, IndexError):
            raise ConfigError(f"invalid xBPI command {' '.join(words)!r}", hint=f"Give {self.command_help}") from None
        return XbpiRequest(code, args, self._node)

    def first_frame(self, data: bytes, awaited: XbpiRequest | None, *, final: bool) -> SeenFrame | Incomplete | None:
        if data[0] < MIN_LENGTH or (len(data) > 1 and data[1] not in (HOST, MARKER)):
            return None
        end = data[0] + 1
        if len(data) < end:
            return INCOMPLETE
        raw = data[:end]
        if is_request(raw):
            request = XbpiRequest(raw[3], raw[4:-1], raw[2], raw[1])
            shown = explain_request(raw)
            args = f" {raw[4:-1].hex(' ')}" if raw[4:-1] and not request.combined else ""
            return SeenFrame(FrameKind.REQUEST, raw, f"{raw[3]:02x} {shown['name']}{args}", raw[2], request)
        frame = parse_frame(raw) if checksum(raw[:-1]) == raw[-1] else None
        return None if frame is None else SeenFrame(FrameKind.REPLY, raw, _frame_text(frame))

    def fields(self, frame: SeenFrame, request: XbpiRequest | None) -> Mapping[str, object]:
        return _flat(explain(frame.raw)[0])

    def samples(self, frame: SeenFrame, request: XbpiRequest | None, stamp: Stamp) -> Sequence[Sample]:
        reply: Frame | None = None if request is None else self.codec.decode(request, bytearray(frame.raw), final=True)
        if request is None or reply is None:
            return ()
        if request.opcode == opcodes.READ_TEMPERATURE:
            return self._temperature(request, reply, stamp)
        quantity = QUANTITIES.get(request.opcode)
        if quantity is None:
            return ()
        data = reply.items[0].data
        block = None
        if len(reply.items) > 1 and is_status_block(reply.items[1].data):
            block = parse_status_block(reply.items[1].data)
        reading = weight_reading(parse_measurement(data), block, stamp, reply.raw)
        resolution = parse_items(request.args)[0][0].number if request.args[:1] == bytes([U8]) else 0
        if reading.value is not None and not self._facts[quantity, resolution].prove(weight_facts(data)):
            reading = _unproven(reading)
        channel = self.context.channel(quantity.value, parameter_id=request.opcode)
        return [weight_sample(channel, reading)]

    def _temperature(self, request: XbpiRequest, reply: Frame, stamp: Stamp) -> Sequence[Sample]:
        items, rest = parse_items(request.args)
        if rest or len(items) != 1:
            return ()
        channel = self.context.channel(
            Quantity.TEMPERATURE.value, parameter_id=request.opcode, instance=items[0].number, unit=DEG_C
        )
        amount = Amount(decode_float40(reply.items[0].data), DEG_C, stamp)
        return [unchecked(temperature_sample(channel, amount))]


class SbiReader(FrameReader[SbiRequest]):
    """Reads SBI commands and lines. The first line may have lost its beginning: it is shown only."""

    command_help = "what follows ESC: P, x1_, T"

    def __init__(self, crlf: bool, context: DeviceContext, timeout: float) -> None:
        super().__init__(SbiCodec(), context, timeout)
        self._crlf = crlf
        self._facts: defaultdict[Quantity, StatedFacts] = defaultdict(StatedFacts)
        self._begin_seen = False

    def command(self, words: Sequence[str]) -> SbiRequest:
        return SbiRequest(token_of(" ".join(words).removeprefix("ESC ").strip(), b""), self._crlf)

    def has_reply(self, request: SbiRequest) -> bool:
        return request.known.reply is not Reply.NONE

    def first_frame(self, data: bytes, awaited: SbiRequest | None, *, final: bool) -> SeenFrame | Incomplete | None:
        if data.startswith(ESC):
            match = COMMAND_WITH_END.match(data)
            if match is None:
                return INCOMPLETE if len(data) < LONGEST_COMMAND else None
            rest = data[match.end() :]
            if match[2] is None and END.startswith(rest) and not final:
                return INCOMPLETE  # CR LF may follow
            token = match[1].decode("ascii", "replace")
            request = SbiRequest(token, match[2] is not None)
            return SeenFrame(FrameKind.REQUEST, match[0], f"ESC {token} {request.known.name}", request=request)
        end = data.find(END)
        escape = data.find(ESC)
        if end < 0 or 0 <= escape < end:
            return INCOMPLETE if escape < 0 and len(data) <= MAX_LINE else None
        raw = data[: end + len(END)]
        begin_seen, self._begin_seen = self._begin_seen, True
        line = parse_line(raw)
        if is_seven_bit_text(raw) or line.kind in (Kind.GARBLED, Kind.INCOMPLETE) or len(raw) > MAX_LINE:
            return SeenFrame(FrameKind.DAMAGED, raw, str(explain_line(raw).get("meaning", "no line of text")))
        kind = FrameKind.REPLY if awaited is not None and self._is_reply(awaited, raw) else FrameKind.UNSOLICITED
        return SeenFrame(kind, raw, line.text.strip() or "(blank line)", certain=begin_seen)

    def _is_reply(self, request: SbiRequest, raw: bytes) -> bool:
        try:
            return self.codec.decode(request, bytearray(raw), final=True) is not None
        except DeviceRefusedError:
            return True

    def fields(self, frame: SeenFrame, request: SbiRequest | None) -> Mapping[str, object]:
        if frame.kind is FrameKind.REQUEST:
            return explain_command(frame.request.token)
        return {name: field for name, field in explain_line(frame.raw).items() if field not in (None, "")}

    def samples(self, frame: SeenFrame, request: SbiRequest | None, stamp: Stamp) -> Sequence[Sample]:
        line: Line = parse_line(frame.raw)
        quantity = line.quantity
        if quantity is None or not frame.certain:
            return ()
        reading = line_reading(line, stamp)
        if not self._facts[quantity].prove(line.facts):
            reading = _unproven(reading)
        return [weight_sample(self.context.channel(quantity.value), reading)]


def _unproven(reading: Reading) -> Reading:
    status = Status.SUSPECT if reading.status is OK else reading.status
    return structs.replace(reading, status=status, unproven=True)


def _frame_text(frame: Frame) -> str:
    """Return the items of a reply in a few words."""
    return ", ".join(_item_text(item) for item in explain(frame.raw)[0].get("items", ())) or frame.rest.hex(" ")


def _item_text(item: Mapping[str, Any]) -> str:
    match item["kind"]:
        case "measurement":
            stable = "" if item["stable"] else " unstable"
            number = "off scale" if item["value"] is None else f"{item['value']:.{item['decimals']}f}"
            return f"{number} {item['unit'] or ''}".rstrip() + stable
        case "status_block":
            return "stable" if item["stable"] else "not stable"
        case "error":
            return f"error {item['error_code']}: {item['meaning']}"
        case "string":
            return str(item["text"])
        case "bcd":
            return str(item["digits"])
        case "ack":
            return "acknowledged"
    return str(item.get("value", item["hex"]))


def _flat(explained: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields of a frame with those of its items, one line for each."""
    fields = {name: field for name, field in explained.items() if name not in ("items", "args") and field is not None}
    for number, item in enumerate(explained.get("items", explained.get("args", ())), 1):
        fields[f"item {number}"] = "  ".join(f"{name} {field}" for name, field in item.items() if field is not None)
    return fields
