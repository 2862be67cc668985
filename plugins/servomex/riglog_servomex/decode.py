"""The meaning of bytes from the wire, for people: broadcast frames, RTU and ASCII frames. Pure."""

from collections.abc import Iterator

from riglog.errors import ConfigError
from riglog.model import Stamp
from riglog.protocol.modbus import framing_of
from riglog.protocol.modbus.errors import exception_for
from riglog.protocol.modbus.framing import Frame as ModbusFrame
from riglog.protocol.modbus.pdu import EXCEPTION, FUNCTION_NAMES, READ_BITS, READS, reply_size, request_size
from riglog.simulation.modbus_server import unpack_bits
from riglog_servomex.config import ASCII, CONTINUOUS, RTU
from riglog_servomex.continuous.frames import BadFrame, Frame, parse_frame
from riglog_servomex.modbus.registers import ANALYZER_BITS, decode_analyzer, decode_channel, decode_flags
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS, Position
from riglog_servomex.samples import AnalyzerStatus, Flags

Facts = Iterator[tuple[str, str]]
NO_STAMP = Stamp(0, None, 0)


def decode_frame(data: bytes, first: Position) -> Facts:
    """Yield facts about one frame, as (what, value) pairs.

    Args:
        first: the position at which a Modbus reply begins; the reply itself does not contain it.

    Raises:
        ConfigError: not a frame that an analyzer sends or receives.
    """
    if data.startswith(b" "):
        return _broadcast(parse_frame(data))
    for protocol in (RTU, ASCII):
        frame = framing_of(protocol).unwrap(data)
        if frame is not None:
            return _modbus(protocol, frame, first)
    raise ConfigError("not a Servomex frame", hint="Give one complete frame including its checksum, in hex")


def _broadcast(frame: Frame | BadFrame) -> Facts:
    yield "protocol", CONTINUOUS
    if isinstance(frame, BadFrame):
        yield "invalid", frame.outcome
        return
    yield from _analyzer(frame.analyzer)
    for channel, block in frame.blocks.items():
        yield channel, _channel(block.name, block.text, block.unit.symbol, block.flags, block.position)


def _modbus(protocol: str, frame: ModbusFrame, first: Position) -> Facts:
    pdu = frame.pdu
    yield "protocol", protocol
    yield "unit", str(frame.unit)
    function = pdu[0] & ~EXCEPTION
    yield "function", f"0x{function:02X} {FUNCTION_NAMES.get(function, 'unknown')}"
    if pdu[0] & EXCEPTION and len(pdu) > 1:
        yield "exception", exception_for(pdu[1]).message
    elif function in READS and len(pdu) == reply_size(pdu):
        yield from _bits(pdu[2:], first) if function in READ_BITS else _registers(pdu[2:], first)
    elif len(pdu) == request_size(pdu):
        yield "address", str(int.from_bytes(pdu[1:3], "big"))
        yield "count" if function in READS or function > 8 else "data", str(int.from_bytes(pdu[3:5], "big"))
    else:
        yield "data", pdu[1:].hex(" ")


def _registers(data: bytes, first: Position) -> Facts:
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    if len(words) % REGISTERS:
        yield "registers", data.hex(" ", 2)
        return
    for at, position in zip(range(0, len(words), REGISTERS), _from(first), strict=False):
        reading = decode_channel(position, words[at : at + REGISTERS], Flags(), NO_STAMP)
        value = "no value" if reading.value is None else f"{reading.value:.7g}"
        yield position.id, _channel(reading.name, value, reading.unit.symbol, reading.flags, position)


def _bits(data: bytes, first: Position) -> Facts:
    bits = unpack_bits(data)
    if len(bits) == ANALYZER_BITS:
        yield from _analyzer(decode_analyzer(bits))
        return
    for at, position in zip(range(0, len(bits), BITS), _from(first), strict=False):
        flags = decode_flags(position.kind, bits[at : at + BITS])
        yield position.id, " ".join(flags.names(position.kind)) or "ok"


def _analyzer(status: AnalyzerStatus) -> Facts:
    states = [state for state, raised in (("fault", status.fault), ("maintenance", status.maintenance)) if raised]
    yield "analyzer", " ".join(states) or "ok"
    yield "groups", " ".join(status.groups)
    if status.clock is not None:
        yield "clock", status.clock


def _channel(name: str | None, value: str, unit: str | None, flags: Flags, position: Position) -> str:
    return "  ".join([name or "(no name)", value, unit or "(no unit)", *flags.names(position.kind)])


def _from(first: Position) -> list[Position]:
    return list(POSITIONS.values())[first.number :]
