"""Frames of controllers on a line, by whoever sent them. Pure.

Which kind an input has, and whether its sensor works, is in the replies to other requests: a temperature is suspect.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import structs

from riglog.device import DeviceContext
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame, unchecked
from riglog.device.modbus_reader import ModbusReader
from riglog.errors import ConfigError, UnsupportedError
from riglog.model import Sample, Stamp
from riglog.transport import Link
from riglog_watlow.config import WatlowConfig
from riglog_watlow.decode import explain
from riglog_watlow.families import STDBUS
from riglog_watlow.modbus.registers import decode, span_of
from riglog_watlow.parameters import PM, WireValue, registry
from riglog_watlow.samples import DEPENDS_ON, Raw, UnitContext, WireUnits, sample_of
from riglog_watlow.stdbus import frames, message
from riglog_watlow.stdbus.codec import StdBusCodec, StdBusReply, StdBusRequest, read_request
from riglog_watlow.stdbus.protocol import UNITS
from riglog_watlow.targets import Target, parse_target

READ_FUNCTIONS = (3, 4)


def reader_for(config: WatlowConfig, context: DeviceContext) -> FrameReader[Any]:
    """Return the reader of the configured protocol."""
    if config.wire_protocol == STDBUS:
        return StdBusReader(config, context)
    return ControllerReader(config, config.link, context)


class StdBusReader(FrameReader[StdBusRequest]):
    """Reads Standard Bus frames."""

    command_help = "read PARAMETER [INSTANCE] (read setpoint 1), or the payload in hex (01 03 01 07 01 01)"

    def __init__(self, config: WatlowConfig, context: DeviceContext) -> None:
        super().__init__(StdBusCodec(), context)
        self._address = config.address
        self._wanted_unit = config.temperature_unit

    def command(self, words: Sequence[str]) -> StdBusRequest:
        first, *rest = words
        if first.lower() == "read" and len(rest) in (1, 2):
            target = parse_target(rest[0] if len(rest) == 1 else f"{rest[0]}[{rest[1]}]", registry(PM))
            return read_request(self._address, target.parameter.id or 0, target.instance)
        try:
            payload = bytes.fromhex("".join(words))
        except ValueError:
            payload = b""
        request = _request(self._address, payload, 0)
        if request is None:
            raise ConfigError(f"invalid request {' '.join(words)!r}", hint=f"Give {self.command_help}")
        return request

    def first_frame(self, data: bytes, awaited: StdBusRequest | None, *, final: bool) -> SeenFrame | Incomplete | None:
        if not frames.PREAMBLE.startswith(data[:2]):
            return None
        frame, end = frames.next_frame(data, 0, final=final)
        if frame is None:
            return INCOMPLETE if end == 0 else None
        size = frames.HEADER + len(frame.payload) + (2 if frame.payload else 0)
        if size != end:  # it begins further behind
            return None
        is_request = frame.kind == frames.REQUEST
        address = (frame.destination if is_request else frame.source) - frames.mac(0)
        kind = FrameKind.REQUEST if is_request else FrameKind.REPLY
        request = _request(address, frame.payload, frame.source) if is_request else None
        return SeenFrame(kind, data[:end], _text(data[:end]), address, request)

    def fields(self, frame: SeenFrame, request: StdBusRequest | None) -> Mapping[str, object]:
        return explain(frame.raw)[0]

    def samples(self, frame: SeenFrame, request: StdBusRequest | None, stamp: Stamp) -> Sequence[Sample]:
        if request is None or request.value is not None:
            return ()
        reply: StdBusReply | None = self.codec.decode(request, bytearray(frame.raw), final=True)
        parameter = registry(PM).get(request.selector[0] * 1000 + request.selector[1])
        if reply is None or parameter is None:
            return ()
        target = Target(parameter, request.selector[2])
        raw = Raw(reply.value, stamp, reply.payload)
        return [tapped_sample(self.at(request.address), target, raw, UNITS, self._wanted_unit)]


class ControllerReader(ModbusReader):
    """Reads registers of controllers.

    Numbers of two registers need their order, and an EZ-ZONE has two register maps: without ``register_map`` and
    ``word_order`` in the configuration, rows are single registers. So are those of a family with variable decimals.
    """

    def __init__(self, config: WatlowConfig, link: Link, context: DeviceContext) -> None:
        super().__init__(link, context, config.address)
        self._config = config
        family = config.facts.family
        self._register_map = config.register_map or (1 if family != PM else None)
        self._low_word_first = config.word_order == "low-high"
        self._starts: dict[int, Target] | None = None  # by register
        self._known = family != PM or (config.register_map is not None and config.word_order is not None)

    def values(
        self, context: DeviceContext, function: int, first: int, content: Sequence[int], stamp: Stamp
    ) -> Iterator[Sample]:
        if not self._known or function not in READ_FUNCTIONS:
            yield from super().values(context, function, first, content, stamp)
            return
        units = WireUnits(self._config.wire_temperature_unit)
        for target, words in self._targets(first - self._config.offset, content):
            if target.parameter.decimals_register is not None:
                at = self._start(target) + self._config.offset - first
                yield from super().values(context, function, first + at, words, stamp)
                continue
            value = decode(target.parameter, words, low_word_first=self._low_word_first)
            yield tapped_sample(context, target, Raw(value, stamp), units, self._config.temperature_unit)

    def _targets(self, first: int, content: Sequence[int]) -> Iterator[tuple[Target, Sequence[int]]]:
        """Yield the parameters of which all registers are there."""
        if self._starts is None:
            self._starts = dict(self._all_starts())
        for register in range(first, first + len(content)):
            target = self._starts.get(register)
            if target is not None and register - first + target.parameter.registers <= len(content):
                yield target, content[register - first :][: target.parameter.registers]

    def _start(self, target: Target) -> int:
        return span_of(target, self._register_map or 1).start

    def _all_starts(self) -> Iterator[tuple[int, Target]]:
        for parameter in registry(self._config.facts.family):
            for instance in parameter.instances:
                with suppress(UnsupportedError):
                    yield self._start(Target(parameter, instance)), Target(parameter, instance)


def tapped_sample(
    context: DeviceContext, target: Target, raw: Raw, units: WireUnits, wanted_unit: str | None
) -> Sample:
    """Return the sample of a value whose companions were not read."""
    parameter = target.parameter
    depends = parameter.name in DEPENDS_ON
    if depends and parameter.unit_kind != "temperature":
        units, wanted_unit = structs.replace(units, temperature_unit=None), None
    if "alarm_type" in DEPENDS_ON.get(parameter.name, ()):  # a temperature, a difference, percent or ampere
        units, wanted_unit = structs.replace(units, temperature_unit=None), None
    channel = context.channel(parameter.name, parameter_id=parameter.id, instance=target.instance)
    sample = sample_of(channel, parameter, raw, {}, UnitContext(units, wanted_unit))
    return unchecked(sample) if depends or parameter.unit_kind.startswith("temperature") else sample


def _request(address: int, payload: bytes, source: int) -> StdBusRequest | None:
    """Return the request in a payload; None if it is neither a read of one value nor a write."""
    reads = bytes([message.FROM_MASTER, message.READ, message.ONE_VALUE])
    if payload.startswith(reads) and len(payload) == len(reads) + 3:
        return StdBusRequest(address, payload[3:], source=source)
    if payload.startswith(bytes([message.FROM_MASTER, message.WRITE])) and len(payload) > 6:
        return StdBusRequest(address, payload[2:5], payload[5:], source)
    return None


def _text(raw: bytes) -> str:
    fields = explain(raw)[0]
    if fields.get("service") == "error":
        return f"refused: {fields['meaning']}"
    if "parameter" not in fields:
        return f"payload {fields.get('payload', '')}"
    name = fields["parameter"] if fields["parameter"] != "unknown" else str(fields["id"])
    if fields["instance"] != 1:
        name += f"[{fields['instance']}]"
    if "value" not in fields:
        return f"{fields['service']} {name}"
    value: WireValue = fields["value"]
    shown = f"{value:.7g}" if isinstance(value, float) else str(value)
    label = f" ({fields['label']})" if "label" in fields else ""
    unit = f" {fields['unit']}" if "unit" in fields else ""
    verb = "write " if fields["service"] == "write" and fields["kind"] == "request" else ""
    return f"{verb}{name} = {shown}{label}{unit}"
