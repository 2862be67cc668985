"""Modbus frames on a line, for every driver that has Modbus: see ``frame_reader``. Pure.

A reply does not contain the register at which it begins: its values have a name only if its request was seen. Without
a driver that knows what the registers mean, a row is one register as an unsigned number: ``holding_register_360``.
"""

from collections.abc import Iterator, Mapping, Sequence

from riglog.device.context import DeviceContext
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame
from riglog.errors import ConfigError
from riglog.model import Sample, Stamp
from riglog.protocol.modbus.codec import ModbusCodec
from riglog.protocol.modbus.errors import exception_for
from riglog.protocol.modbus.framing import Frame, TcpFraming, framing_of
from riglog.protocol.modbus.framing.ascii import FRAME as ASCII_FRAME
from riglog.protocol.modbus.framing.ascii import LONGEST as LONGEST_ASCII
from riglog.protocol.modbus.framing.rtu import LONGEST as LONGEST_RTU
from riglog.protocol.modbus.framing.rtu import OVERHEAD, SHORTEST
from riglog.protocol.modbus.pdu import (
    EXCEPTION,
    FUNCTION_NAMES,
    MAX_BITS,
    MAX_REGISTERS,
    READ_BITS,
    READ_REGISTERS,
    READS,
    SUPPORTED,
    ModbusRequest,
    bits_in,
    expected_reply,
    read_request,
    registers_in,
    reply_size,
    request_size,
)
from riglog.transport import Link

TABLES = {"coils": 1, "discrete": 2, "holding": 3, "input": 4}
"""The words of commands that read."""

NAMES = {1: "coil", 2: "discrete_input", 3: "holding_register", 4: "input_register"}
MOST_SHOWN = 8
"""Registers in one line of text."""


class ModbusReader(FrameReader[ModbusRequest]):
    """Reads RTU, ASCII and TCP frames. ``unit``: of the requests that ``command`` makes."""

    command_help = (
        "holding, input, coils or discrete with a first number and a count (input 0 7), "
        "or function code and data in hex (04 00 00 00 07)"
    )

    def __init__(self, link: Link, context: DeviceContext, unit: int, timeout: float = 0.5) -> None:
        self.framing = framing_of(link.protocol)
        super().__init__(ModbusCodec(self.framing, link), context, timeout)
        self.unit = unit
        self.can_listen = not isinstance(self.framing, TcpFraming)

    def command(self, words: Sequence[str]) -> ModbusRequest:
        first, *rest = words
        if first.lower() in TABLES and len(rest) in (1, 2) and all(word.isdecimal() for word in rest):
            start, count = int(rest[0]), int(rest[1]) if len(rest) == 2 else 1
            function = TABLES[first.lower()]
            most = MAX_BITS if function in READ_BITS else MAX_REGISTERS
            if start > 0xFFFF or not 1 <= count <= most:
                raise ConfigError(
                    f"registers outside the range of Modbus: {' '.join(words)}",
                    hint=f"Use a first number from 0 to 65535, a count from 1 to {most}",
                )
            return read_request(self.unit, function, start, count)
        try:
            pdu = bytes.fromhex("".join(words))
        except ValueError:
            pdu = b""
        if not pdu or (pdu[0] in SUPPORTED and request_size(pdu) != len(pdu)):
            raise ConfigError(f"invalid Modbus request {' '.join(words)!r}", hint=f"Give {self.command_help}")
        if pdu[0] not in SUPPORTED:
            raise ConfigError(
                f"Modbus function 0x{pdu[0]:02X} is not known", hint="Known functions: 1 to 6, 8, 15 and 16"
            )
        return ModbusRequest(self.unit, pdu)

    def first_frame(self, data: bytes, awaited: ModbusRequest | None, *, final: bool) -> SeenFrame | Incomplete | None:
        if isinstance(self.framing, TcpFraming):
            frame: Frame | Incomplete | None = self.framing.unwrap(data)
        elif self.framing.protocol == "modbus-ascii":
            frame = self._ascii(data)
        else:
            frame = self._rtu(data, awaited)
        if frame is None or isinstance(frame, Incomplete):
            return frame
        return self._seen(frame, data[: frame.end], awaited)

    def fields(self, frame: SeenFrame, request: ModbusRequest | None) -> Mapping[str, object]:
        unwrapped = self.framing.unwrap(frame.raw)
        if unwrapped is None:
            return {}
        pdu = unwrapped.pdu
        function = pdu[0] & ~EXCEPTION
        fields: dict[str, object] = {
            "unit": unwrapped.unit,
            "function": f"{function} {FUNCTION_NAMES.get(function, 'unknown')}",
        }
        if pdu[0] & EXCEPTION:
            return fields | {"exception": exception_for(pdu[1]).message}
        if frame.kind is FrameKind.REQUEST:
            kind = "count" if function in READS or function > 8 else "value"
            return fields | {"first": int.from_bytes(pdu[1:3]), kind: int.from_bytes(pdu[3:5])}
        if function in READS and request is not None:
            first = int.from_bytes(request.pdu[1:3])
            return fields | {
                f"{NAMES[function]}_{first + at}": value for at, value in enumerate(_content(pdu, request))
            }
        return fields | {"data": pdu[1:].hex(" ")}

    def samples(self, frame: SeenFrame, request: ModbusRequest | None, stamp: Stamp) -> Sequence[Sample]:
        unwrapped = self.framing.unwrap(frame.raw)
        if request is None or unwrapped is None:
            return ()
        reply = self.codec.decode(request, bytearray(frame.raw), final=True)  # raises for an exception reply
        if reply is None or request.function not in READS:
            return ()
        first = int.from_bytes(request.pdu[1:3])
        return list(self.values(self.at(request.unit), request.function, first, _content(reply, request), stamp))

    def values(
        self, context: DeviceContext, function: int, first: int, content: Sequence[int], stamp: Stamp
    ) -> Iterator[Sample]:
        """Yield what a reply to a read contains. A driver that knows what the registers mean overrides this.

        Args:
            context: of the instrument that has replied.
            function: of the read; ``content`` are registers or bits, from number ``first`` on.
        """
        for number, value in enumerate(content, first):
            channel = context.channel(f"{NAMES[function]}_{number}", parameter_id=number)
            yield Sample(channel=channel, stamp=stamp, value=value, unit=None)

    def _rtu(self, data: bytes, awaited: ModbusRequest | None) -> Frame | Incomplete | None:
        """Return the frame at the start: of a length that it can have, and proven by its CRC."""
        if len(data) < SHORTEST:
            return INCOMPLETE
        sizes = [size_of(data[1:8]) for size_of in (request_size, reply_size)]
        if awaited is not None and awaited.unit == data[0]:
            sizes.insert(0, 2 if data[1] & EXCEPTION else expected_reply(awaited).length)
        for size in sizes:
            if size and size + OVERHEAD <= len(data):
                frame = self.framing.unwrap(data[: size + OVERHEAD])
                if frame is not None:
                    return frame
        longest = max((size for size in sizes if size), default=0) + OVERHEAD
        return INCOMPLETE if None in sizes or len(data) < longest <= LONGEST_RTU else None

    def _ascii(self, data: bytes) -> Frame | Incomplete | None:
        if not data.startswith(b":"):
            return None
        end = data.find(b"\r\n")
        if end < 0:
            return INCOMPLETE if len(data) <= LONGEST_ASCII and data.find(b":", 1) < 0 else None
        return self.framing.unwrap(data[: end + 2]) if ASCII_FRAME.fullmatch(data[: end + 2]) else None

    def _seen(self, frame: Frame, raw: bytes, awaited: ModbusRequest | None) -> SeenFrame:
        pdu = frame.pdu
        request = ModbusRequest(frame.unit, pdu)
        can_be_request = pdu[0] in SUPPORTED and request_size(pdu) == len(pdu)
        can_be_reply = reply_size(pdu) == len(pdu)
        is_awaited = awaited is not None and any(
            kind.matches(frame.unit, pdu) for kind in (expected_reply(awaited), expected_reply(awaited).exception_reply)
        )
        if can_be_request and not is_awaited:
            text = self._text(pdu, None)
            return SeenFrame(FrameKind.REQUEST, raw, text, frame.unit, request, not can_be_reply)
        certain = not can_be_request or pdu[0] not in READS
        text = self._text(pdu, awaited if is_awaited else None, reply=True)
        return SeenFrame(FrameKind.REPLY, raw, text, frame.unit, certain=certain)

    def _text(self, pdu: bytes, request: ModbusRequest | None, *, reply: bool = False) -> str:
        function = pdu[0] & ~EXCEPTION
        name = FUNCTION_NAMES.get(function, f"function {function}")
        if pdu[0] & EXCEPTION:
            return f"{name}: exception {pdu[1]}" if len(pdu) > 1 else name
        if reply and function in READS:
            if request is None:
                return f"{name}: {pdu[2:].hex(' ', 2)}"
            first = int.from_bytes(request.pdu[1:3])
            content = _content(pdu, request)
            more = " …" if len(content) > MOST_SHOWN else ""
            return f"{NAMES[function].replace('_', ' ')} {first}: {' '.join(map(str, content[:MOST_SHOWN]))}{more}"
        first, number = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        if function in READS or function > 8:
            return f"{name} {first}" + (f" to {first + number - 1}" if number > 1 else "")
        return f"{name} {first} = {number}" if function != 8 else name


def _content(reply: bytes, request: ModbusRequest) -> Sequence[int]:
    """Return the registers, or the bits that were requested, of the reply to a read."""
    if request.function in READ_REGISTERS:
        return registers_in(reply)
    return [int(bit) for bit in bits_in(reply)[: int.from_bytes(request.pdu[3:5])]]
