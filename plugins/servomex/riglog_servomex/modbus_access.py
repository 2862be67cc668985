"""An analyser over Modbus: questions, answers, and the broadest spans it accepts.

Source: Servomex wire specification, sections 9 and 12.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from riglog.device import Pace
from riglog.errors import ReplyTimeoutError
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError
from riglog_servomex.access import Access, Read, Readings
from riglog_servomex.plan import Span, SpanPlan
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS, Position
from riglog_servomex.reading import AnalyserStatus, Flags, Reading
from riglog_servomex.registers import ANALYSER_BITS, ANALYSER_START, decode_analyser, decode_channel, decode_flags

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusUnit

REFUSED = (IllegalDataAddressError, IllegalDataValueError)
EVERY = tuple(POSITIONS.values())


class ModbusAccess(Access):
    """Flags and values come in different exchanges. Flags come first: no value goes out whose flags nobody knows.

    Args:
        unit: for polls, which come round anyway.
        patient: the same slave for calls that somebody waits for.
    """

    pace = Pace.HOST

    def __init__(self, unit: "ModbusUnit", patient: "ModbusUnit") -> None:
        super().__init__(unit.client)
        self.unit = unit
        self.patient = patient
        self._values = SpanPlan()
        self._states = SpanPlan()
        self._chosen: Sequence[Position] = EVERY
        self._flags: dict[str, Flags] = {}

    async def discover(self, *, patient: bool = True) -> Readings:
        return await self._learn(EVERY, self.patient if patient else self.unit, patient=patient)

    async def choose(self, positions: Sequence[Position]) -> None:
        self._chosen = tuple(positions)
        if any(len(plan.spans(EVERY)) > 1 for plan in (self._states, self._values)):  # it is choosy: find out how much
            await self._learn(self._chosen, self.patient)

    def reads(self) -> Sequence[Read]:
        self._flags = {}
        states = [
            Read((), partial(self._polled, self._states, self._read_flags, span))
            for span in self._states.spans(self._chosen)
        ]
        values = [
            Read(span.wanted, partial(self._polled, self._values, self._read_values, span))
            for span in self._values.spans(self._chosen)
        ]
        return [*states, Read((), self._poll_analyser), *values]

    async def read_one(self, position: Position) -> Reading:
        alone = Span(position.number, 1, (position,))
        await self._read_flags(self.patient, alone)
        return (await self._read_values(self.patient, alone))[position.id]

    async def read_analyser(self) -> AnalyserStatus:
        return await self._read_analyser(self.patient)

    async def _read_flags(self, unit: "ModbusUnit", span: Span) -> Readings:
        reply = (await unit.read_discrete_inputs(span.first * BITS, count=span.size * BITS)).reply
        for position in span.wanted:
            at = (position.number - span.first) * BITS
            self._flags[position.id] = decode_flags(position.kind, reply.bits[at : at + BITS])
        return {}

    async def _read_values(self, unit: "ModbusUnit", span: Span) -> Readings:
        reply, stamp = await unit.read_input_registers(span.first * REGISTERS, count=span.size * REGISTERS)
        found: Readings = {}
        for position in span.wanted:
            at = (position.number - span.first) * REGISTERS
            if (flags := self._flags.get(position.id)) is not None:
                found[position.id] = decode_channel(position, reply.registers[at : at + REGISTERS], flags, stamp)
        self.last |= found
        return found

    async def _read_analyser(self, unit: "ModbusUnit") -> AnalyserStatus:
        reply = (await unit.read_discrete_inputs(ANALYSER_START, count=ANALYSER_BITS)).reply
        self.analyser = decode_analyser(reply.bits)
        return self.analyser

    async def _poll_analyser(self) -> Readings:
        self.analyser = None
        await self._read_analyser(self.unit)
        return {}

    async def _polled(
        self, plan: SpanPlan, read: Callable[["ModbusUnit", Span], Awaitable[Readings]], span: Span
    ) -> Readings:
        """One read of a poll; what is refused is asked in smaller spans from the next poll on."""
        try:
            return await read(self.unit, span)
        except REFUSED:
            plan.refuse(span)
            raise

    async def _learn(self, wanted: Sequence[Position], unit: "ModbusUnit", *, patient: bool = True) -> Readings:
        """Read what is wanted and remember which spans the analyser accepts."""
        self._flags = {}
        await self._over(self._states, wanted, partial(self._read_flags, unit), patient)
        return await self._over(self._values, wanted, partial(self._read_values, unit), patient)

    async def _over(
        self,
        plan: SpanPlan,
        wanted: Sequence[Position],
        read: Callable[[Span], Awaitable[Readings]],
        patient: bool,
    ) -> Readings:
        """Go to smaller spans where one is refused.

        With ``patient``, a broad span that gets no answer is tried smaller once; if that gets none, the line is dead.

        Raises:
            ModbusExceptionError: even the last position was refused.
            ReplyTimeoutError: nobody answers.
        """
        found: Readings = {}
        pending = plan.spans(wanted)
        answered, silent = False, None
        while pending:
            span = pending.pop(0)
            try:
                found |= await read(span)
                answered = True
                continue
            except REFUSED:
                plan.refuse(span)
                if not (answered or plan.spans(wanted)):
                    raise
            except ReplyTimeoutError:
                if silent is not None:
                    plan.allow(silent)
                if answered or silent or span.size == 1 or not patient:
                    raise
                silent = span
                plan.refuse(span)
            if span.size > 1:
                pending = plan.spans(wanted)
        return found
