"""Simulated Modbus servers on one bus: each complete request of a byte stream goes to the server addressed.

No I/O and no clock.
"""

from collections.abc import Mapping

from riglog.protocol.modbus.framing import Framing, framing_of
from riglog.simulation.modbus_server import ModbusServer

PARTIAL_REQUEST_TIMEOUT = 0.1
"""Seconds without input after which an incomplete request is discarded."""


class ModbusServers:
    """The servers of one bus. Corrupt requests, and requests to other unit identifiers, get no reply.

    Args:
        protocol: ``modbus-rtu``, ``modbus-ascii`` or ``modbus-tcp``.
        servers: the servers by unit identifier.
    """

    def __init__(self, protocol: str, servers: Mapping[int, ModbusServer]) -> None:
        self.framing: Framing = framing_of(protocol)
        self.servers = servers
        self._buffer = bytearray()
        self._last_input = 0.0

    def receive(self, data: bytes, now: float) -> bytes:
        """Accept input, possibly an incomplete request; return the replies to all requests complete by now."""
        if now - self._last_input > PARTIAL_REQUEST_TIMEOUT:
            self._buffer.clear()
        self._last_input = now
        self._buffer += data
        requests = self.framing.requests(self._buffer)
        del self._buffer[: requests[-1].end if requests else self.framing.unfinished(self._buffer)]
        replies = (
            (unit, self.servers[unit].respond(pdu), transaction)
            for unit, pdu, _, transaction in requests
            if unit in self.servers
        )
        return b"".join(self.framing.wrap(unit, pdu, transaction) for unit, pdu, transaction in replies if pdu)

    def foreign(self, reply: bytes) -> bytes:
        """Return the same reply with a unit identifier that no server of this bus has."""
        unused = next(unit for unit in range(1, 248) if unit not in self.servers)
        return self.framing.readdressed(reply, unused)
