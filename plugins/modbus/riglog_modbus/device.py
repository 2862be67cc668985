"""One Modbus instrument that a file describes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from riglog.device import DeviceContext
from riglog.instrument import DescribedDevice, Description, Raw, Reading
from riglog.protocol import HeldLine
from riglog_modbus.config import ModbusConfig
from riglog_modbus.description import ModbusFormat
from riglog_modbus.errors import RegisterRefusedError
from riglog_modbus.modbus.registers import Names
from riglog_modbus.protocol import protocol_for
from riglog_modbus.samples import Register, as_transmitted

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient


class ModbusInstrument(DescribedDevice["ModbusClient", Register]):
    """The registers of one server, read in the broadest blocks that it accepts."""

    def __init__(
        self,
        config: ModbusConfig,
        client: "ModbusClient",
        context: DeviceContext,
        description: Description[Register],
        selected: Sequence[str],
    ) -> None:
        super().__init__(client, context, ModbusFormat(), description, selected)
        self._protocol = protocol_for(config, client, description)

    def groups(self, names: Sequence[str]) -> list[Names]:
        return self._protocol.groups([name for name in names if self.quantities[name].readable])

    async def read(self, line: HeldLine[Any, Any], group: Names, *, retries: int = 0) -> dict[str, Reading]:
        wanted = [name for name in group if name not in self.absent]
        return await self._protocol.read(line, wanted, self._refused, retries=retries)

    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        await self._protocol.write(line, name, raw)

    def forget_refusals(self) -> None:
        self._protocol.forget_refusals()

    def transmitted(self, name: str, raw: Raw) -> Raw:
        return as_transmitted(self.quantities[name], raw)

    def is_readable(self, name: str) -> bool:
        return self.quantities[name].readable

    def _refused(self, name: str, error: RegisterRefusedError | None) -> None:
        if error is None:
            self.regroup()
        else:
            self.note_absent(name, error)
