"""What Balance needs from a wire protocol, so that one vocabulary serves xBPI and SBI."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from riglog.device import Pace, Safety
from riglog.model import Stamp
from riglog.protocol import Transactor
from riglog_sartorius.config import Quantity
from riglog_sartorius.errors import not_available_error
from riglog_sartorius.identity import Identity
from riglog_sartorius.samples import Amount, CalRecord, Reading, State

AnyLine = Transactor[Any, Any]


class ParameterCode(Struct, frozen=True):
    """The code of a parameter, and the highest code that this balance has for it."""

    code: int
    highest: int
    stamp: Stamp


class SartoriusProtocol(ABC):
    """A balance over one wire protocol. Every method that transacts takes the line to use as its first argument.

    Confirmation is the task of Balance. A method that is available over xBPI only raises UnsupportedError by default.

    Attributes:
        parameter_ids: the number of the command that reads a quantity, for its channel.
        confirms_by_reading: tare and zero have no reply; read the weight until it is near zero to see them executed.
    """

    pace: ClassVar[Pace] = Pace.HOST
    parameter_ids: ClassVar[Mapping[Quantity, int]] = {}
    confirms_by_reading: ClassVar[bool] = False

    @abstractmethod
    async def handshake(self, line: AnyLine) -> None:
        """Check that a balance responds over this protocol, and find out which commands it supports. Reads only.

        Raises:
            ProtocolError: no reply, or not over this protocol.
            AutoprintError: the balance is in autoprint mode, and is configured to be polled.
        """

    @abstractmethod
    async def identify(self, line: AnyLine) -> Identity:
        """Read the identity."""

    @abstractmethod
    async def serial_number(self, line: AnyLine) -> str | None:
        """Read the serial number; None if the balance does not report it.

        Raises:
            ProtocolError: the balance reports it, but did not respond.
        """

    @abstractmethod
    async def read(self, line: AnyLine, quantity: Quantity, *, hires: int = 0) -> Reading:
        """Read a weight. ``hires``: 0 to 2 decimals more than the display has."""

    @abstractmethod
    async def state(self, line: AnyLine) -> State:
        """Read the state."""

    @abstractmethod
    async def tare(self, line: AnyLine) -> None:
        """Zero or tare, whichever applies."""

    @abstractmethod
    async def zero(self, line: AnyLine) -> None:
        """Set zero."""

    @abstractmethod
    async def adjust(self, line: AnyLine) -> None:
        """Start the internal adjustment."""

    @abstractmethod
    async def set_filter(self, line: AnyLine, mode: int) -> None:
        """Select the filter, 1 (very stable) to 4 (very unstable)."""

    @abstractmethod
    def safety_of(self, code: int | str, args: bytes) -> tuple[Safety, str]:
        """Return the safety of a raw command, and its name.

        Raises:
            ConfigError: it is not a command of this protocol.
        """

    @abstractmethod
    async def raw(self, line: AnyLine, code: int | str, args: bytes) -> bytes | None:
        """Send a raw command and return its reply as received; None if the command has no reply."""

    async def temperature(self, line: AnyLine, sensor: int) -> Amount:
        """Read a temperature sensor."""
        raise not_available_error("temperature")

    async def capacity(self, line: AnyLine, area: int) -> Amount:
        """Read the maximum load of a weighing area, in the unit of the display."""
        raise not_available_error("capacity")

    async def increment(self, line: AnyLine, area: int) -> Amount:
        """Read the smallest step of the display, in its unit."""
        raise not_available_error("increment")

    async def last_cal_record(self, line: AnyLine) -> CalRecord:
        """Read the record of the last adjustment."""
        raise not_available_error("adjustment record")

    async def read_parameter(self, line: AnyLine, index: int) -> ParameterCode:
        """Read a parameter."""
        raise not_available_error("parameters")

    async def write_parameter(self, line: AnyLine, index: int, code: int) -> None:
        """Write a parameter."""
        raise not_available_error("parameters")

    async def save_menu(self, line: AnyLine) -> None:
        """Store the parameters in the EEPROM."""
        raise not_available_error("parameters")

    async def reload_menu(self, line: AnyLine) -> None:
        """Load the parameters from the EEPROM."""
        raise not_available_error("parameters")
