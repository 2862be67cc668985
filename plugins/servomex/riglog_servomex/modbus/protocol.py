"""An analyzer over Modbus: which requests are sent, in the broadest spans that it accepts.

Source: Servomex wire specification, sections 9 and 12.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from riglog.device import Pace
from riglog.errors import ReplyTimeoutError
from riglog.protocol import HeldLine
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError
from riglog.protocol.modbus.registers import Block, BlockPlan, Place, part_of
from riglog_servomex.config import ServomexConfig
from riglog_servomex.modbus import calibration
from riglog_servomex.modbus.registers import (
    ANALYZER_BITS,
    ANALYZER_START,
    decode_analyzer,
    decode_channel,
    decode_flags,
)
from riglog_servomex.modbus.spans import ALL, Spans, alone, flags_of, values_of
from riglog_servomex.positions import Position
from riglog_servomex.samples import AnalyzerStatus, Flags, Read, Reading, Readings

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient, ModbusUnit

TURNAROUND, MINIMUM_TIMEOUT = 0.5, 1.0
"""Seconds, unless ``timeout`` is configured: the turnaround, to which the time on the wire is added, and the least."""
REFUSALS = (IllegalDataAddressError, IllegalDataValueError)
DISCRETE_INPUTS, INPUT_REGISTERS = 2, 4
"""The functions that read them."""
CALL_RETRIES = 2
"""Retries of calls that a person waits for; a poll has those of the configuration."""


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
        self._spans = Spans.unrefused()
        self._selected: Sequence[Position] = ALL

    async def discover(self, line: HeldLine[Any, Any]) -> Readings:
        return await Sweep(self._call_unit, line, self._spans).discover(ALL, thorough=True)

    async def select(self, line: HeldLine[Any, Any], positions: Sequence[Position]) -> None:
        self._selected = tuple(positions)
        if self._spans.refused_as_a_whole:  # find the largest that it accepts
            await Sweep(self._call_unit, line, self._spans).discover(self._selected, thorough=True)

    async def reconnected(self, line: HeldLine[Any, Any]) -> None:
        await Sweep(self._poll_unit, line, self._spans).discover(self._selected, thorough=False)

    async def read_identity(self, line: HeldLine[Any, Any]) -> Readings:
        return await Sweep(self._poll_unit, line, self._spans.copy()).discover(ALL, thorough=False)

    def reads(self, line: HeldLine[Any, Any]) -> Sequence[Read]:
        sweep = Sweep(self._poll_unit, line, self._spans)
        flags = self._spans.flags.covering(map(flags_of, self._selected))
        values = self._spans.values.covering(map(values_of, self._selected))
        return [
            *(Read((), partial(sweep.read_flags, block)) for block in flags),
            Read((), sweep.read_analyzer),
            *(Read(block.keys, partial(sweep.read_values, block)) for block in values),
        ]

    async def read_channel(self, line: HeldLine[Any, Any], position: Position) -> Reading:
        sweep = Sweep(self._call_unit, line, self._spans.copy())
        await sweep.read_flags(alone(flags_of(position)))
        return (await sweep.read_values(alone(values_of(position))))[position.id]

    async def read_analyzer(self, line: HeldLine[Any, Any]) -> AnalyzerStatus:
        bits, _ = await self._call_unit.read_bits(line, DISCRETE_INPUTS, ANALYZER_START, ANALYZER_BITS)
        return decode_analyzer(bits)

    async def start_calibration(self, group: int, report: Callable[[str], None]) -> None:
        await calibration.pulse(self._call_unit, calibration.coil_of(group), report)

    async def stop_calibration(self, report: Callable[[str], None]) -> None:
        await calibration.pulse(self._call_unit, calibration.STOP_COIL, report)


class Sweep:
    """One pass over an analyzer: flags and its status first, then the values that belong to them.

    Each poll and each call has a sweep of its own, so that a value never gets the flags of an earlier poll.

    Args:
        unit: the server.
        line: the line that is held.
        spans: the spans in which it can be read; refusals are noted in them.
    """

    def __init__(self, unit: "ModbusUnit", line: HeldLine[Any, Any], spans: Spans) -> None:
        self._unit = unit
        self._line = line
        self._spans = spans
        self._flags: dict[str, Flags] = {}
        self._analyzer: AnalyzerStatus | None = None

    async def read_flags(self, block: Block[Position]) -> Readings:
        """Read the flags of a block, for its values; there are no readings yet."""
        try:
            bits, _ = await self._unit.read_bits(
                self._line, DISCRETE_INPUTS, block.start, block.count, spare=block.spare
            )
        except REFUSALS:
            self._spans.flags.refuse(block)
            raise
        for place in block.places:
            self._flags[place.key.id] = decode_flags(place.key.kind, part_of(block, place, bits))
        return {}

    async def read_analyzer(self) -> Readings:
        """Read the status of the analyzer, for the readings that follow."""
        bits, _ = await self._unit.read_bits(self._line, DISCRETE_INPUTS, ANALYZER_START, ANALYZER_BITS)
        self._analyzer = decode_analyzer(bits)
        return {}

    async def read_values(self, block: Block[Position]) -> Readings:
        """Return the readings of a block, except those of positions whose flags are unknown."""
        try:
            words, stamp = await self._unit.read_registers(
                self._line, INPUT_REGISTERS, block.start, block.count, spare=block.spare
            )
        except REFUSALS:
            self._spans.values.refuse(block)
            raise
        readings = {}
        for place in block.places:
            if (flags := self._flags.get(place.key.id)) is not None:
                registers = part_of(block, place, words)
                readings[place.key.id] = decode_channel(place.key, registers, flags, stamp, self._analyzer)
        return readings

    async def discover(self, wanted: Sequence[Position], *, thorough: bool) -> Readings:
        """Return the readings of all wanted positions that respond, and find the spans that are accepted.

        Args:
            thorough: read a span without a reply once more in smaller parts.

        Raises:
            ModbusExceptionError: every position was refused.
            ReplyTimeoutError: no reply.
        """
        await self._read_covering(self._spans.flags, [*map(flags_of, wanted)], self.read_flags, thorough)
        return await self._read_covering(self._spans.values, [*map(values_of, wanted)], self.read_values, thorough)

    async def _read_covering(
        self,
        plan: BlockPlan[Position],
        wanted: Sequence[Place[Position]],
        read: Callable[[Block[Position]], Awaitable[Readings]],
        thorough: bool,
    ) -> Readings:
        """Read ``wanted``, in smaller blocks where one is refused."""
        readings: dict[str, Reading] = {}
        pending = plan.covering(wanted)
        responded, without_reply = False, None
        while pending:
            block = pending.pop(0)
            try:
                readings |= await read(block)
                responded = True
                continue
            except REFUSALS:
                if not (responded or plan.covering(wanted)):
                    raise
            except ReplyTimeoutError:
                if without_reply is not None:  # the smaller block has no reply either: the device does not respond
                    plan.allow(without_reply)
                if responded or without_reply or len(block.places) == 1 or not thorough:
                    raise
                without_reply = block
                plan.refuse(block)
            if len(block.places) > 1:
                pending = plan.covering(wanted)
        return readings
