"""An analyzer over Modbus: which requests are sent, in the broadest spans that it accepts.

Source: Servomex wire specification, sections 9 and 12.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from riglog.device import Pace
from riglog.errors import ReplyTimeoutError
from riglog.protocol import HeldLine
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError
from riglog_servomex.config import ServomexConfig
from riglog_servomex.modbus import calibration
from riglog_servomex.modbus.registers import (
    ANALYZER_BITS,
    ANALYZER_START,
    decode_analyzer,
    decode_channel,
    decode_flags,
)
from riglog_servomex.modbus.spans import AcceptedSpans, Span
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS, Position
from riglog_servomex.samples import AnalyzerStatus, Flags, Read, Reading, Readings

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient, ModbusUnit

TURNAROUND, MINIMUM_TIMEOUT = 0.5, 1.0
"""Seconds, unless ``timeout`` is configured: the turnaround, to which the time on the wire is added, and the least."""
CALL_RETRIES = 2
"""Retries of calls that a person waits for; a poll has those of the configuration."""

REFUSALS = (IllegalDataAddressError, IllegalDataValueError)
ALL = tuple(POSITIONS.values())
"""Their map has no holes: what lies behind a span is safe to read as well, unless the analyzer refuses broad spans."""


class Spans(NamedTuple):
    """The spans in which an analyzer can be read: flags and values are refused independently."""

    flags: AcceptedSpans
    values: AcceptedSpans

    def copy(self) -> "Spans":
        return Spans(self.flags.copy(), self.values.copy())


class ModbusProtocol:
    """Flags and values come in different transactions. Flags are read first: without them no value is returned."""

    pace = Pace.HOST
    frames_discarded = 0

    def __init__(self, config: ServomexConfig, client: "ModbusClient") -> None:
        client.widen_gap(config.idle)
        turnaround, minimum = (TURNAROUND, MINIMUM_TIMEOUT) if config.timeout is None else (client.timeout, 0.0)
        self._poll_unit, self._call_unit = (
            client.unit(config.address, timeout=turnaround, minimum_timeout=minimum, retries=retries)
            for retries in (config.retries, CALL_RETRIES)
        )
        self._spans = Spans(AcceptedSpans(), AcceptedSpans())
        self._selected: Sequence[Position] = ALL

    async def discover(self, line: HeldLine[Any, Any]) -> Readings:
        return await Sweep(self._call_unit.on(line), self._spans).discover(ALL, thorough=True)

    async def select(self, line: HeldLine[Any, Any], positions: Sequence[Position]) -> None:
        self._selected = tuple(positions)
        if any(len(spans.covering(ALL)) > 1 for spans in self._spans):  # find the largest that it accepts
            await Sweep(self._call_unit.on(line), self._spans).discover(self._selected, thorough=True)

    async def reconnected(self, line: HeldLine[Any, Any]) -> None:
        await Sweep(self._poll_unit.on(line), self._spans).discover(self._selected, thorough=False)

    async def read_identity(self, line: HeldLine[Any, Any]) -> Readings:
        return await Sweep(self._poll_unit.on(line), self._spans.copy()).discover(ALL, thorough=False)

    def reads(self, line: HeldLine[Any, Any]) -> Sequence[Read]:
        sweep = Sweep(self._poll_unit.on(line), self._spans)
        flags = [Read((), partial(sweep.read_flags, span)) for span in self._spans.flags.covering(self._selected)]
        values = [
            Read(span.wanted, partial(sweep.read_values, span)) for span in self._spans.values.covering(self._selected)
        ]
        return [*flags, Read((), sweep.read_analyzer), *values]

    async def read_channel(self, line: HeldLine[Any, Any], position: Position) -> Reading:
        sweep = Sweep(self._call_unit.on(line), self._spans.copy())
        alone = Span(position.number, 1, (position,))
        await sweep.read_flags(alone)
        return (await sweep.read_values(alone))[position.id]

    async def read_analyzer(self, line: HeldLine[Any, Any]) -> AnalyzerStatus:
        reply = (await self._call_unit.on(line).read_discrete_inputs(ANALYZER_START, count=ANALYZER_BITS)).reply
        return decode_analyzer(reply.bits)

    async def start_calibration(self, group: int, report: Callable[[str], None]) -> None:
        await calibration.pulse(self._call_unit, calibration.coil_of(group), report)

    async def stop_calibration(self, report: Callable[[str], None]) -> None:
        await calibration.pulse(self._call_unit, calibration.STOP_COIL, report)


class Sweep:
    """One pass over an analyzer: flags and its status first, then the values that belong to them.

    Each poll and each call has a sweep of its own, so that a value never gets the flags of an earlier poll.

    Args:
        unit: the server, over a line that is held.
        spans: the spans in which it can be read; refusals are noted in them.
    """

    def __init__(self, unit: "ModbusUnit", spans: Spans) -> None:
        self._unit = unit
        self._spans = spans
        self._flags: dict[str, Flags] = {}
        self._analyzer: AnalyzerStatus | None = None

    async def read_flags(self, span: Span) -> Readings:
        """Read the flags of a span, for its values; there are no readings yet."""
        try:
            unit = self._unit.with_spare(self._spans.flags.spare(span, len(ALL)) * BITS)
            reply = (await unit.read_discrete_inputs(span.first * BITS, count=span.size * BITS)).reply
        except REFUSALS:
            self._spans.flags.refuse(span)
            raise
        for position in span.wanted:
            at = (position.number - span.first) * BITS
            self._flags[position.id] = decode_flags(position.kind, reply.bits[at : at + BITS])
        return {}

    async def read_analyzer(self) -> Readings:
        """Read the status of the analyzer, for the readings that follow."""
        reply = (await self._unit.read_discrete_inputs(ANALYZER_START, count=ANALYZER_BITS)).reply
        self._analyzer = decode_analyzer(reply.bits)
        return {}

    async def read_values(self, span: Span) -> Readings:
        """Return the readings of a span, except those of positions whose flags are unknown."""
        try:
            unit = self._unit.with_spare(self._spans.values.spare(span, len(ALL)) * REGISTERS)
            reply, stamp = await unit.read_input_registers(span.first * REGISTERS, count=span.size * REGISTERS)
        except REFUSALS:
            self._spans.values.refuse(span)
            raise
        readings = {}
        for position in span.wanted:
            if (flags := self._flags.get(position.id)) is not None:
                at = (position.number - span.first) * REGISTERS
                registers = reply.registers[at : at + REGISTERS]
                readings[position.id] = decode_channel(position, registers, flags, stamp, self._analyzer)
        return readings

    async def discover(self, wanted: Sequence[Position], *, thorough: bool) -> Readings:
        """Return the readings of all wanted positions that respond, and find the spans that are accepted.

        Args:
            thorough: read a span without a reply once more in smaller parts.

        Raises:
            ModbusExceptionError: every position was refused.
            ReplyTimeoutError: no reply.
        """
        await self._read_covering(self._spans.flags, wanted, self.read_flags, thorough)
        return await self._read_covering(self._spans.values, wanted, self.read_values, thorough)

    async def _read_covering(
        self,
        spans: AcceptedSpans,
        wanted: Sequence[Position],
        read: Callable[[Span], Awaitable[Readings]],
        thorough: bool,
    ) -> Readings:
        """Read ``wanted``, in smaller spans where one is refused."""
        readings: dict[str, Reading] = {}
        pending = spans.covering(wanted)
        responded, without_reply = False, None
        while pending:
            span = pending.pop(0)
            try:
                readings |= await read(span)
                responded = True
                continue
            except REFUSALS:
                if not (responded or spans.covering(wanted)):
                    raise
            except ReplyTimeoutError:
                if without_reply is not None:  # the smaller span has no reply either: the device does not respond
                    spans.allow(without_reply)
                if responded or without_reply or span.size == 1 or not thorough:
                    raise
                without_reply = span
                spans.refuse(span)
            if span.size > 1:
                pending = spans.covering(wanted)
        return readings
