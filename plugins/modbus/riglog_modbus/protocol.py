"""What the wire of an instrument provides, and which one a configuration selects: Modbus has only one.

The class in ``modbus`` does not import this file, which imports it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from riglog.instrument import Description, Raw, Reading
from riglog.protocol import HeldLine
from riglog_modbus.config import ModbusConfig
from riglog_modbus.modbus.protocol import ModbusProtocol, Refused
from riglog_modbus.modbus.registers import Names
from riglog_modbus.samples import Register

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient


class RegisterProtocol(Protocol):
    """Reads and writes the quantities of one instrument."""

    def forget_refusals(self) -> None:
        """Read the broadest blocks again."""

    def groups(self, names: Sequence[str]) -> list[Names]:
        """Return the quantities in the groups in which they are read."""

    async def read(
        self, line: HeldLine[Any, Any], names: Sequence[str], refused: Refused, *, retries: int = 0
    ) -> dict[str, Reading]:
        """Read quantities; what is refused is reported, and has no reading."""

    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        """Write a quantity, once."""


def protocol_for(config: ModbusConfig, client: "ModbusClient", description: Description[Register]) -> RegisterProtocol:
    """Return the protocol of an instrument on the port of ``client``."""
    return ModbusProtocol(config, client, description)
