"""Parameters over Modbus: neighbouring registers are read in one request, never across one that is not documented.

Source: Watlow wire specification, sections 8.1, 9, 10 and 11.
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from riglog.errors import UnsupportedError, WriteRefusedError, error_context
from riglog.model import Stamp
from riglog.model.units import DEG_C, DEG_F
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError, IllegalFunctionError
from riglog.protocol.modbus.registers import Block as PlannedBlock
from riglog.protocol.modbus.registers import Place, part_of
from riglog_watlow.config import WatlowConfig
from riglog_watlow.errors import SETUP_CHANGED, NoSuchRegisterError, ParameterAbsentError, SetupChangedError
from riglog_watlow.modbus.registers import block_plan, decode, encode, span_of
from riglog_watlow.modbus.settings import (
    HARDWARE_ID,
    LOW_WORD_FIRST,
    UNIT_OF_LABEL,
    decimals_setting,
    hardware_id,
    layout_setting,
    settings_of,
    unit_setting,
)
from riglog_watlow.modbus.setup import WORD_ORDER, Setup, read_setup
from riglog_watlow.parameters import Parameter, WireValue
from riglog_watlow.protocol import AnyTransactor, Block, WatlowProtocol
from riglog_watlow.samples import Raw, WireUnits, label_of
from riglog_watlow.targets import Settings, Target

if TYPE_CHECKING:
    from riglog.protocol.modbus.client import ModbusClient, ModbusUnit

ABSENT = (IllegalFunctionError, IllegalDataAddressError)
REFUSED_BLOCK = (*ABSENT, IllegalDataValueError)
LAST_REGISTER = 0xFFFF
HOLDING = 3
"""The function that reads holding registers."""


class ModbusProtocol(WatlowProtocol):
    """One controller as a Modbus server, or one zone behind a gateway.

    Attributes:
        setup: register map and word order, as read last.
        layout: what shows that they are still the same; None: nothing does, or the family has only one layout.
    """

    def __init__(self, client: "ModbusClient", config: WatlowConfig) -> None:
        super().__init__()
        self.client = client
        self.config = config
        self.setup = Setup()
        self.layout = layout_setting(config)
        self._plan = block_plan(config.facts.family, self.setup.register_map)
        self._units: dict[int, ModbusUnit] = {}  # by retries
        self._parts: dict[Block, list[PlannedBlock[Target]]] = {}
        self._unit_setting, self._decimals_setting = unit_setting(config), decimals_setting(config)

    async def read_setup(self, line: AnyTransactor) -> None:
        self.absent.clear()
        self._parts.clear()
        self.setup = await self._detect(line)
        self._plan = block_plan(self.config.facts.family, self.setup.register_map)
        self._parts.clear()
        self.layout = await self._find_layout(line)

    async def _detect(self, line: AnyTransactor) -> Setup:
        async def words(start: int, count: int) -> list[int]:
            return list((await self._registers(line, start, count, retries=1))[0])

        return await read_setup(self.config, words)

    async def _find_layout(self, line: AnyTransactor) -> Target | None:
        """Return what shows the layout that was detected; None if nothing shows any.

        Raises:
            SetupChangedError: another layout is shown than was detected.
        """
        preferred = layout_setting(self.config)
        if preferred is None:
            return None
        shown = await self._shown(line, preferred)
        if shown == self.setup.low_word_first:
            return preferred
        # The setting may be that of another port of the controller: then both stay as they are
        if await self._detect(line) != self.setup:
            raise SetupChangedError(SETUP_CHANGED)
        by_id = hardware_id(self.config)
        by_id_shown = await self._shown(line, by_id)
        if by_id_shown == self.setup.low_word_first:
            return by_id
        if shown is None and by_id_shown is None:
            return None
        raise SetupChangedError(SETUP_CHANGED)

    async def _shown(self, line: AnyTransactor, setting: Target) -> bool | None:
        """Return the word order that a setting shows; None if the controller does not have it there."""
        try:
            return self._low_word_first(setting, await self.read_one(line, setting))
        except NoSuchRegisterError:
            return None

    def is_shown_by(self, settings: Settings) -> bool:
        return self.layout is None or self.layout not in settings or settings.get(self.layout) is not None

    def settings_of(self, parameter: Parameter) -> tuple[Target, ...]:
        return settings_of(parameter, self.config, self.layout)

    def units_from(self, settings: Settings) -> WireUnits:
        unit: str | None = self.config.wire_temperature_unit
        is_invalid = False
        setting = self._unit_setting
        if setting is not None and setting in settings:
            code = settings.get(setting)
            # firmware without the setting transmits degF only
            unit = DEG_F if code is None else UNIT_OF_LABEL.get(label_of(setting.parameter, code))
            is_invalid = unit is None
        decimals = settings.get(self._decimals_setting) if self._decimals_setting else None
        return WireUnits(unit, decimals if isinstance(decimals, int) and decimals in range(4) else None, is_invalid)

    def others(
        self, target: Target, raw: Raw, units: WireUnits, settings: Settings
    ) -> Iterable[tuple[WireValue, WireUnits]]:
        parameter, known = target.parameter, settings.get(self._unit_setting) if self._unit_setting else None
        order = self.setup.low_word_first
        orders = (order, not order) if self.layout is not None and parameter.registers > 1 else (order,)
        temperature_units = (
            (DEG_F, DEG_C) if parameter.is_temperature and known is not None else (units.temperature_unit,)
        )
        places = range(4) if parameter.decimals_register is not None else (units.decimals,)
        words = struct.unpack(f">{parameter.registers}H", raw.payload or b"")
        for low_word_first, unit, decimals in product(orders, temperature_units, places):
            if (low_word_first, unit, decimals) != (order, units.temperature_unit, units.decimals):
                yield decode(parameter, words, low_word_first=low_word_first), WireUnits(unit, decimals)

    def adopt(self, setting: Target, raw: Raw) -> WireValue | None:
        if setting != self.layout:
            return raw.value
        low_word_first = self._low_word_first(setting, raw)
        if low_word_first is not None:
            self.setup = Setup(self.setup.register_map, low_word_first)
        return low_word_first

    def _low_word_first(self, setting: Target, raw: Raw) -> bool | None:
        """Return the word order that a setting shows; None: it is not the register that was expected there."""
        if setting.parameter.name == HARDWARE_ID:
            return WORD_ORDER.get(struct.unpack(">2H", raw.payload or b""))
        return LOW_WORD_FIRST.get(label_of(setting.parameter, raw.value))

    def group_into_blocks(self, targets: Iterable[Target]) -> list[Block]:
        blocks: list[Block] = []
        spans: list[Place[Target]] = []
        for target in targets:
            try:
                spans.append(self._span(target))
            except UnsupportedError:
                blocks.append((target,))
        return blocks + [block.keys for block in self._plan.covering(spans)]

    async def read(self, line: AnyTransactor, block: Block, *, retries: int = 0) -> dict[Target, Raw]:
        values: dict[Target, Raw] = {}
        pending = list(self._parts_of(block))
        while pending:
            part = pending.pop(0)
            try:
                words, stamp = await self._registers(line, part.start, part.count, retries, spare=part.spare)
            except REFUSED_BLOCK as refusal:
                if len(part.places) > 1:
                    self._plan.refuse(part)
                    self._parts.clear()
                    pending = self._plan.covering(one for one in part.places if one.key not in self.absent) + pending
                    continue
                if not isinstance(refusal, ABSENT):
                    raise
                self.note_absent(part.places[0].key, _absent_error(refusal, part.start))
                continue
            values |= {place.key: self._raw(place, part_of(part, place, words), stamp) for place in part.places}
        return values

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

    def _parts_of(self, block: Block) -> list[PlannedBlock[Target]]:
        """Return the requests that read a block, without what the model does not have."""
        if block not in self._parts:
            wanted = (self._span(target) for target in block if target not in self.absent)
            self._parts[block] = self._plan.covering(wanted)
        return self._parts[block]

    def note_absent(self, target: Target, error: ParameterAbsentError) -> None:
        super().note_absent(target, error)
        self._parts.clear()

    def _span(self, target: Target) -> Place[Target]:
        registers = span_of(target, self.setup.register_map)
        if registers.end + self.config.offset > LAST_REGISTER + 1:
            raise UnsupportedError(
                f"{target}: register address exceeds {LAST_REGISTER}", register=registers.start + self.config.offset
            )
        return registers

    def _raw(self, place: Place[Target], words: Sequence[int], stamp: Stamp) -> Raw:
        value = decode(place.key.parameter, words, low_word_first=self.setup.low_word_first)
        return Raw(value, stamp, struct.pack(f">{len(words)}H", *words))

    async def _registers(
        self, line: AnyTransactor, start: int, count: int, retries: int, *, spare: int = 0
    ) -> tuple[Sequence[int], Stamp]:
        unit = self._units.get(retries)
        if unit is None:
            unit = self._units[retries] = self.client.unit(self.config.address, retries=retries)
        return await unit.read_registers(line, HOLDING, start + self.config.offset, count, spare=spare)


def _absent_error(refusal: IllegalFunctionError | IllegalDataAddressError, start: int) -> NoSuchRegisterError:
    return NoSuchRegisterError(
        "register not present", code=refusal.code, hint="Remove the parameter from `parameters`", register=start
    )
