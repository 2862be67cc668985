"""Parameters over Modbus: neighbours are read in one request, never across a hole.

Source: Watlow wire specification, sections 8.1, 9, 10 and 11.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from riglog.errors import ReplyTimeoutError, UnsupportedError, WriteRefusedError, error_context
from riglog.model import Stamp
from riglog.model.units import DEG_C, DEG_F
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError, IllegalFunctionError
from riglog_watlow.access import Access, Raw, Wire
from riglog_watlow.config import WatlowConfig
from riglog_watlow.errors import NoSuchRegisterError
from riglog_watlow.modbus.registers import Span, decode, divide, encode, span
from riglog_watlow.modbus.setup import Setup, find_setup
from riglog_watlow.parameters import PM, Parameter, WireValue, registry
from riglog_watlow.plan import Target

if TYPE_CHECKING:
    from riglog.protocol.modbus.client import ModbusUnit

ABSENT = (IllegalFunctionError, IllegalDataAddressError)
REFUSED_BLOCK = (*ABSENT, IllegalDataValueError)
LAST_REGISTER = 0xFFFF
UNIT_OF_LABEL = {"F": DEG_F, "C": DEG_C}


def unit_setting(config: WatlowConfig) -> Target | None:
    """Where the controller says its unit; None where the user has said it, or a gateway may have converted."""
    if config.wire_temperature_unit is not None or config.behind_gateway:
        return None
    name = config.facts.unit
    return Target(registry(config.facts.family).find(name), config.comm_port if config.facts.family == PM else 1)


def decimals_setting(config: WatlowConfig) -> Target | None:
    """Where the controller says by how many places some of its numbers are shifted, if it shifts any."""
    name = config.facts.decimals
    return Target(registry(config.facts.family).find(name)) if name else None


def conditions(parameter: Parameter, config: WatlowConfig) -> tuple[Target, ...]:
    """What has to be read with a parameter, because somebody may change it at the panel."""
    unit = unit_setting(config) if parameter.is_temperature else None
    decimals = decimals_setting(config) if parameter.decimals_register is not None else None
    return tuple(one for one in (unit, decimals) if one is not None)


class ModbusAccess(Access):
    """One controller as a slave, or one zone behind a gateway."""

    def __init__(self, unit: "ModbusUnit", config: WatlowConfig) -> None:
        super().__init__()
        self.unit = unit
        self.clock = unit.client.clock
        self.config = config
        self.setup = Setup()
        self._unit, self._decimals = unit_setting(config), decimals_setting(config)
        self._apart: set[Target] = set()  # refused as part of a block, so read alone
        self.wire = Wire(config.wire_temperature_unit)

    async def open(self) -> None:
        self._absent.clear()
        self._apart.clear()
        self.setup = await find_setup(self.config, self._words)
        found: dict[Target, Raw] = {}
        for target in filter(None, (self._unit, self._decimals)):
            with suppress(NoSuchRegisterError):
                found |= await self.read([target], retries=1)
        self.wire = self.wire_by(found)

    def conditions(self, parameter: Parameter) -> tuple[Target, ...]:
        return conditions(parameter, self.config)

    def wire_by(self, found: Mapping[Target, Raw]) -> Wire:
        unit: str | None = self.config.wire_temperature_unit
        if self._unit is not None and self._unit in found:
            unit = UNIT_OF_LABEL.get(self._unit.parameter.enum.get(int(found[self._unit].value), ""))
        elif self._unit is not None and self._unit in self._absent:
            unit = DEG_F  # firmware without the setting knows no other
        decimals = found.get(self._decimals) if self._decimals else None
        places = int(decimals.value) if decimals else None
        return Wire(unit, places if places in range(4) else None)

    def blocks(self, targets: Iterable[Target]) -> list[tuple[Target, ...]]:
        blocks: list[tuple[Target, ...]] = []
        together: list[Span] = []
        for target in targets:
            try:
                together.append(self._span(target))
            except UnsupportedError:
                blocks.append((target,))
        return blocks + [tuple(one.target for one in block) for block in divide(together)]

    async def read(self, block: Sequence[Target], *, retries: int = 0) -> dict[Target, Raw]:
        spans = [self._span(target) for target in block]
        if len(spans) > 1 and self._apart.issuperset(block):
            return await self._read_apart(block, retries)
        start = spans[0].start
        try:
            words, stamp = await self._registers(start, spans[-1].start + spans[-1].count - start, retries)
        except REFUSED_BLOCK as refusal:
            if len(block) > 1:
                self._apart.update(block)
                return await self._read_apart(block, retries)
            if not isinstance(refusal, ABSENT):
                raise
            absent = NoSuchRegisterError(
                "no such register", code=refusal.code, hint="leave it out", register=start, parameter=str(block[0])
            )
            self.remember_absent(block[0], absent)
            raise absent from None
        return {one.target: self._raw(one, words[one.start - start :], stamp) for one in spans}

    async def write(self, target: Target, value: WireValue) -> WireValue | None:
        start = self._span(target).start + self.config.offset
        words = self.encoded(target, value)
        with error_context(parameter=str(target)):
            if len(words) == 1:
                await self.unit.write_register(start, words[0])
            else:
                await self.unit.write_registers(start, words)
        return None

    def encoded(self, target: Target, value: WireValue) -> list[int]:
        try:
            return encode(target.parameter, value, low_word_first=self.setup.low_word_first)
        except ValueError as error:
            raise WriteRefusedError(str(error), parameter=str(target)) from None

    def _span(self, target: Target) -> Span:
        one = span(target, self.setup.register_map)
        if one.end + self.config.offset > LAST_REGISTER + 1:
            raise UnsupportedError(f"{target} is beyond the last register", register=one.start + self.config.offset)
        return one

    async def _read_apart(self, block: Sequence[Target], retries: int) -> dict[Target, Raw]:
        """One by one; what is absent is left out."""
        found: dict[Target, Raw] = {}
        for target in block:
            if target in self._absent:
                continue
            try:
                found |= await self.read([target], retries=retries)
            except NoSuchRegisterError:
                continue
        return found

    def _raw(self, one: Span, words: Sequence[int], stamp: Stamp) -> Raw:
        own = words[: one.count]
        value = decode(one.target.parameter, own, low_word_first=self.setup.low_word_first)
        return Raw(value, stamp, struct.pack(f">{len(own)}H", *own))

    async def _words(self, start: int, count: int) -> list[int]:
        return (await self._registers(start, count, 1))[0]

    async def _registers(self, start: int, count: int, retries: int) -> tuple[list[int], Stamp]:
        while True:
            try:
                reply, stamp = await self.unit.read_holding_registers(start + self.config.offset, count=count)
            except ReplyTimeoutError:
                if not retries:
                    raise
                retries -= 1
            else:
                return list(reply.registers), stamp
