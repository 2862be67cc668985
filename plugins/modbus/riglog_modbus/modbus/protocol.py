"""One instrument over Modbus: which requests are sent for its quantities."""

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from riglog.instrument import Description, Raw, Reading
from riglog.model import Stamp
from riglog.protocol import HeldLine
from riglog.protocol.modbus import (
    IllegalDataAddressError,
    IllegalDataValueError,
    IllegalFunctionError,
    ModbusExceptionError,
)
from riglog.protocol.modbus.registers import Block, part_of
from riglog_modbus.config import ModbusConfig
from riglog_modbus.errors import RegisterRefusedError
from riglog_modbus.modbus.registers import Names, RegisterPlan, names_of
from riglog_modbus.samples import BIT_TABLES, Function, Register, decode, encode

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient, ModbusUnit

TURNAROUND = 0.5
"""Seconds of timeout, unless ``timeout`` is configured or in the file; the time on the wire is added."""
REFUSALS = (IllegalFunctionError, IllegalDataAddressError, IllegalDataValueError)

Refused = Callable[[str, RegisterRefusedError | None], None]
"""Called with a quantity that is refused by itself; without an error if only its block is."""


class ModbusProtocol:
    """Reads blocks, in smaller ones where one is refused, and writes single quantities."""

    def __init__(self, config: ModbusConfig, client: "ModbusClient", description: Description[Register]) -> None:
        self._description = description
        self.registers = description.quantities
        self.plan = RegisterPlan(description)
        client.widen_gap(description.line.gap)
        timeout = client.timeout if config.timeout is not None else description.line.timeout or TURNAROUND
        self._unit = client.unit(config.address, timeout=timeout, retries=config.retries)
        self._patient = client.unit(config.address, timeout=timeout, retries=max(1, config.retries))

    def forget_refusals(self) -> None:
        """Read the broadest blocks again."""
        self.plan = RegisterPlan(self._description)

    def groups(self, names: Sequence[str]) -> list[Names]:
        """Return the quantities in the groups in which they are read."""
        return [names_of(block) for _, block in self.plan.covering(names)]

    async def read(
        self, line: HeldLine[Any, Any], names: Sequence[str], refused: Refused, *, retries: int = 0
    ) -> dict[str, Reading]:
        """Read quantities; what is refused is reported, and has no reading.

        Raises:
            ProtocolError, ModbusExceptionError: no reply, or an exception that is no refusal.
        """
        unit = (self._patient if retries else self._unit).on(line)
        readings: dict[str, Reading] = {}
        pending = self.plan.covering(names)
        while pending:
            function, block = pending.pop(0)
            try:
                content, stamp = await _content(unit.with_spare(block.spare), function, block)
            except REFUSALS as refusal:
                self.plan.refuse(function, block)
                if len(block.places) > 1:
                    refused(block.places[0].key[0], None)
                    pending = self.plan.covering(names_of(block)) + pending
                    continue
                for name in names_of(block):
                    refused(name, _refused(name, block.start, refusal))
                continue
            for place in block.places:
                part = part_of(block, place, content)
                for name in place.key:
                    readings[name] = self._reading(name, part, stamp)
        return readings

    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        """Write a quantity, once."""
        register, unit = self.registers[name], self._unit.on(line)
        content = encode(register, raw)
        if register.function in BIT_TABLES:
            await unit.write_coil(register.start, bool(content[0]))
        elif len(content) == 1 and not (register.writable and register.writable.multiple):
            await unit.write_register(register.start, content[0])
        else:
            await unit.write_registers(register.start, content)

    def _reading(self, name: str, part: Sequence[Any], stamp: Stamp) -> Reading:
        register = self.registers[name]
        if register.function in BIT_TABLES:
            return Reading(decode(register, part), stamp)
        return Reading(decode(register, part), stamp, struct.pack(f">{len(part)}H", *part))


async def _content(unit: "ModbusUnit", function: Function, block: Block[Names]) -> tuple[Sequence[Any], Stamp]:
    """Return the registers or bits of a block."""
    start, count = block.extent
    match function:
        case 1:
            reply, stamp = await unit.read_coils(start, count=count)
        case 2:
            reply, stamp = await unit.read_discrete_inputs(start, count=count)
        case 3:
            reply, stamp = await unit.read_holding_registers(start, count=count)
        case 4:
            reply, stamp = await unit.read_input_registers(start, count=count)
    return (reply.bits if function in BIT_TABLES else reply.registers), stamp


def _refused(name: str, start: int, refusal: ModbusExceptionError) -> RegisterRefusedError:
    return RegisterRefusedError(name, start, refusal)
