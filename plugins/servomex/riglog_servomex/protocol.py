"""What every protocol of an analyzer provides, and which protocol a configuration selects.

The classes in ``modbus`` and ``continuous`` do not import this file, which imports them: ``protocol_for`` is where mypy
compares them with ``ServomexProtocol``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from riglog.device import Pace
from riglog.protocol import HeldLine
from riglog_servomex.config import ServomexConfig
from riglog_servomex.continuous.codec import BroadcastClient
from riglog_servomex.continuous.protocol import BroadcastProtocol
from riglog_servomex.modbus.protocol import ModbusProtocol
from riglog_servomex.positions import Position
from riglog_servomex.samples import AnalyzerStatus, Read, Reading, Readings

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient

ServomexClient: TypeAlias = "ModbusClient | BroadcastClient"


class ServomexProtocol(Protocol):
    """One analyzer over one protocol. ``line`` is the line of its port, held by the caller.

    Attributes:
        pace: what determines when a poll returns.
        frames_discarded: broadcast frames that were damaged, repeated or out of order; 0 over Modbus.
    """

    pace: Pace
    frames_discarded: int

    async def discover(self, line: HeldLine[Any, Any]) -> Readings:
        """Return the readings of every position that responds, with retries; over broadcast of the next frame.

        Raises:
            ProtocolError, DeviceError: no position responds.
        """

    async def select(self, line: HeldLine[Any, Any], positions: Sequence[Position]) -> None:
        """Select the positions to poll, and find out by reading how to read them."""

    async def reconnected(self, line: HeldLine[Any, Any]) -> None:
        """Find out again how to read the selected positions."""

    async def read_identity(self, line: HeldLine[Any, Any]) -> Readings:
        """Return the readings of every position without retries; over broadcast of the last frame. Changes nothing."""

    def reads(self, line: HeldLine[Any, Any]) -> Sequence[Read]:
        """Return the parts of one poll, in the order in which they must be performed."""

    async def read_channel(self, line: HeldLine[Any, Any], position: Position) -> Reading:
        """Read one position.

        Raises:
            ChannelAbsentError, ModbusExceptionError: it is not present.
            ProtocolError: no valid reply.
        """

    async def read_analyzer(self, line: HeldLine[Any, Any]) -> AnalyzerStatus:
        """Read the status of the analyzer itself."""

    async def start_calibration(self, group: int, report: Callable[[str], None]) -> None:
        """Request autocalibration of a group; takes the port itself. ``report``: see ``calibration.pulse``.

        Raises:
            UnsupportedError: not over this protocol; nothing was sent.
            ConfigError: the group does not exist; nothing was sent.
            StartUnknownError, CoilLeftSetError, DeviceRefusedError: see ``calibration.pulse``.
        """

    async def stop_calibration(self, report: Callable[[str], None]) -> None:
        """Request the end of all autocalibrations; as ``start_calibration``."""


def protocol_for(config: ServomexConfig, client: ServomexClient) -> ServomexProtocol:
    """Return the protocol of an analyzer on the port of ``client``."""
    if isinstance(client, BroadcastClient):
        return BroadcastProtocol(config, client)
    return ModbusProtocol(config, client)
