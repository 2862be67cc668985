"""The slave's side of a line, for simulators: requests in bytes, replies in bytes. No I/O, no clock."""

from collections.abc import Mapping

from riglog.protocol.modbus.framing import Framing, framing_of
from riglog.simulation.modbus_server import ModbusServer

FORGET = 0.1
"""Seconds of silence after which half a request is given up."""


class ModbusServers:
    """Slaves behind one end of a line. Damaged requests, and requests to others, get silence.

    Args:
        protocol: ``modbus-rtu``, ``modbus-ascii`` or ``modbus-tcp``.
        slaves: who answers, by unit id.
    """

    def __init__(self, protocol: str, slaves: Mapping[int, ModbusServer]) -> None:
        self.framing: Framing = framing_of(protocol)
        self.slaves = slaves
        self._buffer = bytearray()
        self._heard = 0.0

    def receive(self, data: bytes, now: float) -> bytes:
        """Bytes arrived, perhaps half a request; the replies to what is complete by now."""
        if now - self._heard > FORGET:
            self._buffer.clear()
        self._heard = now
        self._buffer += data
        requests = self.framing.requests(self._buffer)
        del self._buffer[: requests[-1].end if requests else self.framing.unfinished(self._buffer)]
        answers = (
            (unit, self.slaves[unit].answer(pdu), transaction)
            for unit, pdu, _, transaction in requests
            if unit in self.slaves
        )
        return b"".join(self.framing.wrap(unit, pdu, transaction) for unit, pdu, transaction in answers if pdu)

    def foreign(self, reply: bytes) -> bytes:
        """The same reply as a unit that is not ours would give it."""
        stranger = next(unit for unit in range(1, 248) if unit not in self.slaves)
        return self.framing.readdressed(reply, stranger)
