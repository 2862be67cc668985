"""A refusal that is proven: the same request is refused twice.

An exception reply contains its unit and function, but not its registers. A late one can therefore be that of another
request, and what it seems to refuse would not be read again until the next opening.
"""

from typing import TYPE_CHECKING, Any

from riglog.protocol import TimedReply
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusUnit

REFUSALS = (IllegalDataAddressError, IllegalDataValueError)


class ConfirmedRefusals:
    """Reads of a unit; one that is refused is requested once more, and only the second refusal is raised."""

    def __init__(self, unit: "ModbusUnit") -> None:
        self._unit = unit

    async def read_discrete_inputs(self, address: int, *, count: int) -> TimedReply[Any]:
        try:
            return await self._unit.read_discrete_inputs(address, count=count)
        except REFUSALS:
            return await self._unit.read_discrete_inputs(address, count=count)

    async def read_input_registers(self, address: int, *, count: int) -> TimedReply[Any]:
        try:
            return await self._unit.read_input_registers(address, count=count)
        except REFUSALS:
            return await self._unit.read_input_registers(address, count=count)
