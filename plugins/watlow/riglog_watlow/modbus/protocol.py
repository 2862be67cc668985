"""Parameters over Modbus: adjacent registers are read in one request, never across a gap in the map.

Source: Watlow wire specification, sections 8.1, 9, 10 and 11.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from riglog.errors import UnsupportedError, WriteRefusedError, error_context
from riglog.model import Stamp
from riglog.model.units import DEG_C, DEG_F
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError, IllegalFunctionError
from riglog_watlow.config import WatlowConfig
from riglog_watlow.errors import NoSuchRegisterError
from riglog_watlow.modbus.registers import Span, decode, encode, group_into_blocks, span_of
from riglog_watlow.modbus.setup import Setup, read_setup
from riglog_watlow.parameters import PM, Parameter, WireValue, registry
from riglog_watlow.protocol import AnyTransactor, Block, WatlowProtocol
from riglog_watlow.samples import Raw, WireUnits
from riglog_watlow.targets import Target

if TYPE_CHECKING:
    from riglog.protocol.modbus.client import ModbusClient

ABSENT = (IllegalFunctionError, IllegalDataAddressError)
REFUSED_BLOCK = (*ABSENT, IllegalDataValueError)
LAST_REGISTER = 0xFFFF
UNIT_OF_LABEL = {"F": DEG_F, "C": DEG_C}


def unit_setting(config: WatlowConfig) -> Target | None:
    """Return the setting of the temperature unit; None if it is configured, or a gateway may have converted."""
    if config.wire_temperature_unit is not None or config.behind_gateway:
        return None
    name = config.facts.unit
    return Target(registry(config.facts.family).find(name), config.comm_port if config.facts.family == PM else 1)


def decimals_setting(config: WatlowConfig) -> Target | None:
    """Return the setting of the decimal places; None if the family has no scaled registers."""
    name = config.facts.decimals
    return Target(registry(config.facts.family).find(name)) if name else None


def display_settings(parameter: Parameter, config: WatlowConfig) -> tuple[Target, ...]:
    """Return the settings to read with a parameter, because they can be changed at the panel."""
    unit = unit_setting(config) if parameter.is_temperature else None
    decimals = decimals_setting(config) if parameter.decimals_register is not None else None
    return tuple(setting for setting in (unit, decimals) if setting is not None)


class ModbusProtocol(WatlowProtocol):
    """One controller as a Modbus server, or one zone behind a gateway.

    Attributes:
        setup: register map and word order, as read last.
    """

    def __init__(self, client: "ModbusClient", config: WatlowConfig) -> None:
        super().__init__()
        self.client = client
        self.config = config
        self.setup = Setup()
        self.units = WireUnits(config.wire_temperature_unit)
        self._unit_setting, self._decimals_setting = unit_setting(config), decimals_setting(config)
        self._read_singly: set[Target] = set()  # refused as part of a block

    async def read_setup(self, line: AnyTransactor) -> None:
        self.absent.clear()
        self._read_singly.clear()

        async def words(start: int, count: int) -> list[int]:
            return list((await self._registers(line, start, count, retries=1))[0])

        self.setup = await read_setup(self.config, words)
        values: dict[Target, Raw] = {}
        for setting in filter(None, (self._unit_setting, self._decimals_setting)):
            with suppress(NoSuchRegisterError):
                values[setting] = await self.read_one(line, setting)
        self.units = self.units_from(values)

    def display_settings(self, parameter: Parameter) -> tuple[Target, ...]:
        return display_settings(parameter, self.config)

    def units_from(self, values: Mapping[Target, Raw]) -> WireUnits:
        unit: str | None = self.config.wire_temperature_unit
        setting = self._unit_setting
        if setting is not None and setting in values:
            unit = UNIT_OF_LABEL.get(setting.parameter.enum.get(int(values[setting].value), ""))
        elif setting is not None and setting in self.absent:
            unit = DEG_F  # firmware without the setting transmits degF only
        decimals = values.get(self._decimals_setting) if self._decimals_setting else None
        places = int(decimals.value) if decimals else None
        return WireUnits(unit, places if places in range(4) else None)

    def group_into_blocks(self, targets: Iterable[Target]) -> list[Block]:
        blocks: list[Block] = []
        spans: list[Span] = []
        for target in targets:
            try:
                spans.append(self._span(target))
            except UnsupportedError:
                blocks.append((target,))
        return blocks + [tuple(span.target for span in block) for block in group_into_blocks(spans)]

    async def read(self, line: AnyTransactor, block: Block, *, retries: int = 0) -> dict[Target, Raw]:
        spans = [self._span(target) for target in block]
        if len(spans) > 1 and self._read_singly.issuperset(block):
            return await self._read_each(line, block, retries)
        start = spans[0].start
        try:
            words, stamp = await self._registers(line, start, spans[-1].start + spans[-1].count - start, retries)
        except REFUSED_BLOCK as refusal:
            if len(block) > 1:
                self._read_singly.update(block)
                return await self._read_each(line, block, retries)
            if not isinstance(refusal, ABSENT):
                raise
            self.note_absent(block[0], _absent_error(refusal, start))
            return {}
        return {span.target: self._raw(span, words[span.start - start :], stamp) for span in spans}

    async def write(self, line: AnyTransactor, target: Target, value: WireValue) -> WireValue | None:
        start = self._span(target).start + self.config.offset
        words = self.encode(target, value)
        unit = self.client.unit(self.config.address).on(line)
        with error_context(parameter=str(target)):
            if len(words) == 1:
                await unit.write_register(start, words[0])
            else:
                await unit.write_registers(start, words)
        return None

    def encode(self, target: Target, value: WireValue) -> list[int]:
        try:
            return encode(target.parameter, value, low_word_first=self.setup.low_word_first)
        except ValueError as error:
            raise WriteRefusedError(str(error), parameter=str(target)) from None

    def _span(self, target: Target) -> Span:
        registers = span_of(target, self.setup.register_map)
        if registers.end + self.config.offset > LAST_REGISTER + 1:
            raise UnsupportedError(
                f"{target}: register address exceeds {LAST_REGISTER}", register=registers.start + self.config.offset
            )
        return registers

    async def _read_each(self, line: AnyTransactor, block: Block, retries: int) -> dict[Target, Raw]:
        """Read each parameter of a block by itself; what is absent is left out."""
        values: dict[Target, Raw] = {}
        for target in block:
            if target not in self.absent:
                values |= await self.read(line, (target,), retries=retries)
        return values

    def _raw(self, registers: Span, words: Sequence[int], stamp: Stamp) -> Raw:
        own = words[: registers.count]
        value = decode(registers.target.parameter, own, low_word_first=self.setup.low_word_first)
        return Raw(value, stamp, struct.pack(f">{len(own)}H", *own))

    async def _registers(
        self, line: AnyTransactor, start: int, count: int, retries: int
    ) -> tuple[Sequence[int], Stamp]:
        unit = self.client.unit(self.config.address, retries=retries).on(line)
        reply, stamp = await unit.read_holding_registers(start + self.config.offset, count=count)
        return reply.registers, stamp


def _absent_error(refusal: IllegalFunctionError | IllegalDataAddressError, start: int) -> NoSuchRegisterError:
    return NoSuchRegisterError(
        "register not present", code=refusal.code, hint="Remove the parameter from `parameters`", register=start
    )
