"""The Modbus client of every vendor: riglog's client for the line, pymodbus for the calls and the PDUs.

The only file that imports pymodbus; import it when a port is opened. pymodbus's own clients and framers are not used:
they own the port, lose good frames behind noise, and do not compare a reply with its request.
"""

import copy
import struct
from collections.abc import Awaitable
from typing import Any, Self

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.pdu import DecodePDU, ModbusPDU

from riglog.errors import ConfigError, MalformedReplyError, UnsupportedError
from riglog.protocol.client import ProtocolClient, Transactor
from riglog.protocol.connection import Connection
from riglog.protocol.modbus.codec import ModbusCodec
from riglog.protocol.modbus.framing import framing_of
from riglog.protocol.modbus.pdu import (
    ModbusRequest,
    bits_in,
    expected_reply,
    is_supported,
    read_request,
    registers_in,
)
from riglog.protocol.timed_reply import TimedReply

_DECODER = DecodePDU(False)
MOST_REQUESTS = 1024
"""Requests whose time on the wire is remembered."""

MAX_UNIT_IDENTIFIER = 255
"""The standard ends at 247 on a serial line; some instruments and gateways use the rest."""


class ModbusClient(ProtocolClient[ModbusRequest, bytes]):
    """The client of a Modbus port; ``unit`` gives the calls to one server.

    The protocol of the connection's link chooses the framing: ``modbus-rtu``, ``modbus-ascii`` or ``modbus-tcp``.

    Args:
        timeout: seconds of turnaround of a server; the time on the wire at the link's baud rate is added.
        retries: of a read without a reply; writes are never repeated.
    """

    codec: ModbusCodec

    def __init__(self, connection: Connection, *, timeout: float = 0.5, retries: int = 0) -> None:
        link = connection.link
        accepted = (link.accept_unit,) if isinstance(link.accept_unit, int) else link.accept_unit
        framing = framing_of(link.protocol, accepted)
        super().__init__(connection, ModbusCodec(framing, link), timeout=timeout, retries=retries)
        self.link = link
        self._wire_times: dict[ModbusRequest, float] = {}

    def unit(
        self, address: int, *, timeout: float | None = None, minimum_timeout: float = 0.0, retries: int | None = None
    ) -> "ModbusUnit":
        """Return the calls to the server with unit identifier ``address``.

        Args:
            timeout, retries: as for the client; None: those of the client.
            minimum_timeout: seconds that every request waits at least, however short its time on the wire.

        Raises:
            ConfigError: no server can have that unit identifier.
        """
        if not 1 <= address <= MAX_UNIT_IDENTIFIER:
            raise ConfigError(
                f"invalid Modbus unit identifier {address}",
                hint=f"Use 1 to {MAX_UNIT_IDENTIFIER}; 0 is the broadcast address",
            )
        return ModbusUnit(self, address, self.timeout if timeout is None else timeout, minimum_timeout, retries)

    def wire_time(self, request: ModbusRequest) -> float:
        """Return the seconds for which request and reply are on the wire, in the longest variant; 0 on TCP."""
        seconds = self._wire_times.get(request)
        if seconds is None:
            framing = self.codec.framing
            longest = self.codec.variants(request)[-1]
            size = framing.size(len(request.pdu)) + framing.size(expected_reply(longest).length)
            seconds = 0.0 if framing.numbered else self.link.seconds(size)
            if len(self._wire_times) >= MOST_REQUESTS:
                self._wire_times.clear()
            self._wire_times[request] = seconds
        return seconds


class ModbusUnit(ModbusClientMixin[Awaitable[TimedReply[ModbusPDU]]]):
    """The calls of pymodbus to one server, each giving a TimedReply: ``reply.registers`` of it, and its stamp.

    Each call takes the port for its transaction; ``on(line)`` gives the same calls over a line that is held.
    ``device_id`` of the calls has no effect. All calls raise ReplyTimeoutError, ConnectionLostError, or the
    ModbusExceptionError with which the server responded.
    """

    def __init__(
        self, client: ModbusClient, address: int, timeout: float, minimum_timeout: float, retries: int | None
    ) -> None:
        self.client = client
        self.address = address
        self.timeout = timeout
        self.minimum_timeout = minimum_timeout
        self.retries = retries
        self._transactor: Transactor[ModbusRequest, bytes] = client
        self._skip_resync = False
        self._spare = 0

    def on(self, line: Transactor[Any, Any], *, skip_resync: bool = False) -> Self:
        """Return the same unit over a line that is held, or its client. ``skip_resync``: see ``Line.transact``."""
        other = copy.copy(self)
        other._transactor = line
        other._skip_resync = skip_resync
        return other

    def with_spare(self, number: int) -> Self:
        """Return the same unit for reads behind which so many registers, or bits, are safe to read as well.

        Then reads take turns in how many of them they read, and a late reply or a copy is recognised by its length. The
        reply never contains them. A number of them that the server refuses is not used again.
        """
        other = copy.copy(self)
        other._spare = number
        return other

    async def read_registers(
        self, line: Transactor[Any, Any], function: int, start: int, count: int, *, spare: int = 0
    ) -> TimedReply[tuple[int, ...]]:
        """Read registers with function 3 or 4, as the calls of pymodbus do, without its objects: the way of every poll.

        Args:
            line: the line that is held, or its client.
            spare: see ``with_spare``.
        """
        pdu, stamp = await self._exchange(line, read_request(self.address, function, start, count, spare))
        return TimedReply(registers_in(pdu), stamp)

    async def read_bits(
        self, line: Transactor[Any, Any], function: int, start: int, count: int, *, spare: int = 0
    ) -> TimedReply[list[bool]]:
        """Read bits with function 1 or 2; see ``read_registers``."""
        pdu, stamp = await self._exchange(line, read_request(self.address, function, start, count, spare))
        return TimedReply(bits_in(pdu), stamp)

    def _exchange(self, line: Transactor[Any, Any], request: ModbusRequest) -> Awaitable[TimedReply[bytes]]:
        timeout = max(self.timeout + self.client.wire_time(request), self.minimum_timeout)
        return line.transact(request, timeout=timeout, retries=self.retries, skip_resync=self._skip_resync)

    def execute(self, no_response_expected: bool, request: ModbusPDU) -> Awaitable[TimedReply[ModbusPDU]]:
        """Send a PDU of functions 1 to 6, 15 and 16, or of function 8 as loopback of two bytes.

        Raises:
            UnsupportedError: another function, or no reply wanted: nothing would prove that it arrived.
            ValueError: a field does not fit its place.
        """
        try:
            pdu = bytes([request.function_code]) + request.encode()
        except struct.error as error:
            raise ValueError(f"value does not fit the Modbus request: {error}") from error
        if no_response_expected or not is_supported(pdu):
            raise UnsupportedError(
                f"Modbus function 0x{pdu[0]:02X} is not supported in this form", address=self.address, request=pdu
            )
        return self._transact(ModbusRequest(self.address, pdu, self._spare))

    async def _transact(self, request: ModbusRequest) -> TimedReply[ModbusPDU]:
        pdu, stamp = await self._exchange(self._transactor, request)
        reply = _DECODER.decode(pdu)
        if reply is None:
            raise MalformedReplyError(
                "malformed reply: the PDU cannot be decoded", address=self.address, port=self.client.port, reply=pdu
            )
        reply.dev_id = self.address
        return TimedReply(reply, stamp)
