"""A balance on an xBPI port: one reply to every intact request, silence to everything else. Source: section 8."""

from riglog_sartorius.simulation.balance import SimulatedBalance
from riglog_sartorius.simulation.family import FAMILIES, Family
from riglog_sartorius.simulation.registers import Registers
from riglog_sartorius.simulation.replying import Refusal
from riglog_sartorius.simulation.scale import Scale
from riglog_sartorius.xbpi.frames import BALANCE, checksum, reply_frame
from riglog_sartorius.xbpi.items import ERROR, Item

INTER_BYTE_GAP = 0.1
SHORTEST_REQUEST = 4


class XbpiBalance(SimulatedBalance):
    """``node`` is the balance's own number; it answers to that and to 09."""

    def __init__(self, family: Family = FAMILIES["cubis"], *, node: int = 0, scale: Scale | None = None) -> None:
        self.node = node
        super().__init__(family, scale=scale)
        self._collected = b""
        self._last_byte = 0.0

    def use(self, family: Family, scale: Scale | None = None) -> None:
        super().use(family, scale)
        self.registers = Registers(self, self.node)

    def receive(self, data: bytes, now: float) -> bytes:
        if now - self._last_byte > INTER_BYTE_GAP:
            self._collected = b""
        self._last_byte = now
        self._collected += data
        replies = b""
        while self._collected and len(self._collected) > self._collected[0]:
            end = self._collected[0] + 1
            request, self._collected = self._collected[:end], self._collected[end:]
            replies += self._reply(request, now)
        return replies

    def foreign(self, reply: bytes) -> bytes:
        """What a port that was switched from SBI may still print."""
        return b"N     +   99.999 g  \r\n"

    def _reply(self, request: bytes, now: float) -> bytes:
        sound = len(request) > SHORTEST_REQUEST and checksum(request[:-1]) == request[-1]
        if not sound or request[2] not in (BALANCE, self.node):
            return b""
        try:
            items = self.registers.answer(request[3], request[4:-1], now)
        except Refusal as refusal:
            items = [Item(ERROR, bytes([refusal.code]))]
        return reply_frame(b"".join(item.encoded() for item in items))
