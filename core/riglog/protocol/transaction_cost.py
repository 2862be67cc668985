"""The time that one transaction occupies a port. Pure."""

from msgspec import Struct

from riglog.transport import Link


class TransactionCost(Struct, frozen=True):
    """Bytes in each direction, seconds of turnaround in the device, and seconds of inter-frame gap."""

    sent: int
    received: int
    turnaround: float = 0.0
    inter_frame_gap: float = 0.0

    def seconds(self, link: Link, *, on_wire: bool = True) -> float:
        """Return the duration. ``on_wire`` False: characters take no time (TCP, pseudo-terminals)."""
        characters = link.seconds(self.sent + self.received) if on_wire else 0.0
        return self.inter_frame_gap + characters + self.turnaround
