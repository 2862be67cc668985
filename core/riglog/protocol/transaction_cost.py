"""One request and its reply as a load on the line: how long it keeps others waiting. Pure."""

from msgspec import Struct

from riglog.transport import Link


class TransactionCost(Struct, frozen=True):
    """Bytes each way, seconds the instrument thinks (``turnaround``) and seconds of silence before it (``gap``)."""

    sent: int
    received: int
    turnaround: float = 0.0
    gap: float = 0.0

    def seconds(self, link: Link, *, wire: bool = True) -> float:
        """How long it takes; without ``wire``, characters cost nothing (TCP, pseudo-terminals)."""
        characters = link.seconds(self.sent + self.received) if wire else 0.0
        return self.gap + characters + self.turnaround
