"""What was asked and never answered, and may still be. No I/O; the time is an argument, in nanoseconds.

Two things are remembered of it. An instrument that answers in the order of asking owes nothing older than the last
reply it gave: that is what markers are for. But a reply can also be held up on its way while later ones pass it (device
servers, radio links), so for some time every reply of that shape is in doubt, and has to stay alone.
"""

from typing import Generic

from riglog.model import NS
from riglog.protocol.codec import Codec, Reply, Request

DOUBT_NS = 10 * NS
"""For how long a reply that never came may still be on its way."""

Likeness = tuple[object, object]


class OutstandingReplies(Generic[Request, Reply]):
    """The replies that each address still owes."""

    def __init__(self, codec: Codec[Request, Reply]) -> None:
        self._codec = codec
        self._requests: dict[object, list[Request]] = {}
        self._markers: list[Request] = []  # those that were only asked to find the end of the rest
        self._doubts: dict[Likeness, list[int]] = {}  # when each doubt ends

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add(self, request: Request, now_ns: int) -> None:
        """It was sent, and nothing answered it."""
        owed = self._requests.setdefault(self._codec.address(request), [])
        if request not in owed:
            owed.append(request)
        self._doubts.setdefault(self._likeness(request), []).append(now_ns + DOUBT_NS)

    def doubtful(self, request: Request, now_ns: int) -> bool:
        """Whether a reply to it may be an older one that was held up."""
        if not self._doubts:
            return False
        likeness = self._likeness(request)
        ends = [end for end in self._doubts.pop(likeness, ()) if end > now_ns]
        if ends:
            self._doubts[likeness] = ends
        return bool(ends)

    def arrived(self, request: Request) -> None:
        """A reply of this shape came that was one too many: one doubt less."""
        likeness = self._likeness(request)
        ends = self._doubts.pop(likeness, [])[1:]
        if ends:
            self._doubts[likeness] = ends

    def resync_request(self, request: Request) -> Request | None:
        """What to ask before ``request`` can be asked; None if nothing is owed, or only silence can help."""
        owed = self._requests.get(self._codec.address(request))
        if not owed:
            return None
        marker = self._codec.resync_request(request, owed)
        if marker is None:  # none is left that was not asked in vain already
            marker = self._codec.resync_request(request, [one for one in owed if one not in self._markers])
        if marker is None:
            self.forgive(request)
        elif marker not in self._markers:
            self._markers.append(marker)
        return marker

    def answered(self, request: Request) -> None:
        """Its reply came, so what was asked before is no longer owed.

        Unless the reply looks like one that is owed and may be that one: then its own is still on its way.
        """
        address = self._codec.address(request)
        owed = self._requests.get(address, ())
        shape = self._codec.reply_signature(request)
        alike = any(self._codec.reply_signature(one) == shape for one in owed)
        self.forgive(request)
        if alike:
            self._requests[address] = [request]

    def forgive(self, request: Request) -> None:
        """Nothing is owed any more by whoever is asked ``request``."""
        address = self._codec.address(request)
        self._requests.pop(address, None)
        self._markers = [one for one in self._markers if self._codec.address(one) != address]

    def _likeness(self, request: Request) -> Likeness:
        return self._codec.address(request), self._codec.reply_signature(request)
