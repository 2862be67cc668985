"""The Modbus client of every vendor: riglog's client for the line, pymodbus for the calls and the PDUs.

The only file that imports pymodbus; import it when a port is opened. pymodbus's own clients and framers are not used:
they own the port, lose good frames behind junk, and do not compare a reply with its request.
"""

import struct
from collections.abc import Awaitable

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.pdu import DecodePDU, ModbusPDU

from riglog.errors import ConfigError, MalformedReplyError, UnsupportedError
from riglog.model import SYSTEM_CLOCK, Clock
from riglog.protocol.client import ProtocolClient
from riglog.protocol.line import TimedReply
from riglog.protocol.modbus.codec import ModbusCodec
from riglog.protocol.modbus.framing import framing_of
from riglog.protocol.modbus.pdu import REPEATABLE, ModbusRequest, expected_reply, is_supported
from riglog.transport import Link, Transport

_DECODER = DecodePDU(False)


class ModbusClient(ProtocolClient[ModbusRequest, bytes]):
    """One Modbus line and everybody on it. ``unit`` gives the calls to one slave.

    Args:
        link: its protocol chooses the framing: ``modbus-rtu``, ``modbus-ascii`` or ``modbus-tcp``.
        timeout: seconds for the slave to think; the time on the wire at the link's baud rate comes on top.
        retries: how often a read that got no reply is asked again; writes never are.
    """

    codec: ModbusCodec

    def __init__(
        self,
        transport: Transport,
        link: Link,
        *,
        timeout: float = 0.5,
        retries: int = 0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        codec = ModbusCodec(framing_of(link.protocol), link)
        super().__init__(transport, codec, timeout=timeout, retries=retries, echo=link.echo, clock=clock)
        self.link = link

    def unit(
        self,
        address: int,
        *,
        timeout: float | None = None,
        least: float = 0.0,
        retries: int | None = None,
        skip_resync: bool = False,
    ) -> "ModbusUnit":
        """The slave at ``address``, with its own patience if it needs another than the line's.

        Args:
            timeout, retries: as for the client.
            skip_resync: as for ``ask``.
            least: no request gives up earlier than that, however short its time on the wire.

        Raises:
            ConfigError: no slave can have that address.
        """
        if not 1 <= address <= 255:
            raise ConfigError(f"{address} is no Modbus unit id", hint="1 to 247; 0 would speak to all at once")
        return ModbusUnit(self, address, self.timeout if timeout is None else timeout, least, retries, skip_resync)

    def wire_time(self, request: ModbusRequest) -> float:
        """Seconds that request and reply are on the wire; nothing worth counting on TCP."""
        framing = self.codec.framing
        if framing.numbered:
            return 0.0
        return self.link.seconds(framing.size(len(request.pdu)) + framing.size(expected_reply(request).length))


class ModbusUnit(ModbusClientMixin[Awaitable[TimedReply[ModbusPDU]]]):
    """The calls of pymodbus to one slave, each giving an TimedReply: ``answer.reply.registers``, ``answer.stamp``.

    ``device_id`` of the calls is of no meaning here: the unit knows its address. All calls raise
    ReplyTimeoutError, ConnectionLostError, or the ModbusExceptionError that the slave answered.
    """

    def __init__(
        self, client: ModbusClient, address: int, timeout: float, least: float, retries: int | None, skip_resync: bool
    ) -> None:
        self.client = client
        self.address = address
        self.timeout = timeout
        self.least = least
        self.retries = retries
        self.skip_resync = skip_resync

    def execute(self, no_response_expected: bool, request: ModbusPDU) -> Awaitable[TimedReply[ModbusPDU]]:
        """Send a PDU of functions 1 to 6, 15 and 16, or of function 8 as echo of two bytes.

        Raises:
            UnsupportedError: another function, or no reply wanted: nothing would prove that it arrived.
            ValueError: a field does not fit its place.
        """
        try:
            pdu = bytes([request.function_code]) + request.encode()
        except struct.error as error:
            raise ValueError(f"does not fit into a Modbus request: {error}") from error
        if no_response_expected or not is_supported(pdu):
            raise UnsupportedError(f"function {pdu[0]:02X} is not supported so", address=self.address, request=pdu)
        return self._ask(ModbusRequest(self.address, pdu))

    async def _ask(self, request: ModbusRequest) -> TimedReply[ModbusPDU]:
        client = self.client
        timeout = max(self.timeout + client.wire_time(request), self.least)
        retries = self.retries if request.function in REPEATABLE else 0
        pdu, stamp = await client.transact(request, timeout=timeout, retries=retries, skip_resync=self.skip_resync)
        reply = _DECODER.decode(pdu)
        if reply is None:
            raise MalformedReplyError("reply cannot be read", address=self.address, port=client.port, reply=pdu)
        reply.dev_id = self.address
        return TimedReply(reply, stamp)
