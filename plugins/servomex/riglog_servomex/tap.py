"""Frames of an analyzer on a line: registers become the positions that they are. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from riglog.device import DeviceContext, StatedFacts
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame, unchecked
from riglog.device.modbus_reader import ModbusReader
from riglog.errors import UnsupportedError
from riglog.model import NS, Sample, Stamp
from riglog.transport import Link
from riglog_servomex.config import CONTINUOUS, ServomexConfig
from riglog_servomex.continuous.codec import MAX_LENGTH, BroadcastCodec
from riglog_servomex.continuous.frames import START, BadFrame, Frame, parse_frame
from riglog_servomex.continuous.protocol import MIN_INTERVAL, TOO_CLOSE, readings_of
from riglog_servomex.decode import decode_frame
from riglog_servomex.errors import OldFrameError
from riglog_servomex.modbus.registers import decode_channel
from riglog_servomex.positions import POSITIONS, REGISTERS
from riglog_servomex.samples import Flags, channel_of, is_input, sample_of

INPUT_REGISTERS = 4
TIMEOUT = 1.0


def reader_for(config: ServomexConfig, link: Link, context: DeviceContext) -> "FrameReader[None] | ModbusReader":
    """Return the reader of the configured protocol."""
    if link.protocol == CONTINUOUS:
        return BroadcastReader(config, context)
    return AnalyzerReader(link, context, config.address, TIMEOUT)


class AnalyzerReader(ModbusReader):
    """Positions of which all seven registers were read. Their flags are in other replies, so no value is certain."""

    def values(
        self, context: DeviceContext, function: int, first: int, content: Sequence[int], stamp: Stamp
    ) -> Iterator[Sample]:
        for position in POSITIONS.values() if function == INPUT_REGISTERS else ():
            at = position.number * REGISTERS - first
            if at < 0 or at + REGISTERS > len(content):
                continue
            reading = decode_channel(position, content[at : at + REGISTERS], Flags(), stamp)
            if reading.name is not None or is_input(reading):
                yield unchecked(sample_of(channel_of(context, reading, None), reading))


class BroadcastReader(FrameReader[None]):
    """Frames of the continuous broadcast. Each states everything; what it states anew is suspect."""

    command_help = "none: in continuous mode an analyzer receives nothing"

    def __init__(self, config: ServomexConfig, context: DeviceContext) -> None:
        super().__init__(BroadcastCodec(), context)
        self._wanted_unit = config.concentration_unit
        self._facts: dict[str, StatedFacts] = {}
        self._last_ns = -NS

    def command(self, words: Sequence[str]) -> None:
        raise UnsupportedError(
            "the analyzer receives no commands in continuous mode",
            hint="Select Modbus on the analyzer panel",
        )

    def first_frame(self, data: bytes, awaited: None, *, final: bool) -> SeenFrame | Incomplete | None:
        if not data.startswith(START):
            return None
        end = data.find(b"\n")
        if end < 0:
            return INCOMPLETE if len(data) <= MAX_LENGTH else None
        raw = data[: end + 1]
        frame = parse_frame(raw)
        if isinstance(frame, BadFrame):
            return SeenFrame(FrameKind.DAMAGED, raw, f"invalid: {frame.outcome}")
        shown = (f"{name} {block.text} {block.unit.symbol or ''}".rstrip() for name, block in frame.blocks.items())
        return SeenFrame(FrameKind.UNSOLICITED, raw, "  ".join(shown))

    def fields(self, frame: SeenFrame, request: None) -> Mapping[str, object]:
        return dict(decode_frame(frame.raw, POSITIONS["I1"]))

    def samples(self, frame: SeenFrame, request: None, stamp: Stamp) -> Sequence[Sample]:
        parsed = parse_frame(frame.raw)
        if not isinstance(parsed, Frame):
            return ()
        since_last, self._last_ns = stamp.monotonic_ns - self._last_ns, stamp.monotonic_ns
        if since_last < MIN_INTERVAL * NS:
            raise OldFrameError(f"broadcast frame discarded: {TOO_CLOSE}")
        samples = []
        for channel_id, reading in readings_of(parsed, stamp).items():
            facts = self._facts.setdefault(channel_id, StatedFacts())
            channel = channel_of(self.context, reading, self._wanted_unit)
            samples.append(sample_of(channel, reading, self._wanted_unit, unproven=not facts.prove(reading.facts)))
        return samples
