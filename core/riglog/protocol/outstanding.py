"""Outstanding replies: requests that were sent without a reply, and whose replies may still arrive.

No I/O; the time is an argument, in nanoseconds. Two facts are kept per request:

- Order. A device that responds in order has nothing older to send once it has replied to a later request. The resync
  request relies on this.
- Ambiguity. A device server or a radio link can deliver a delayed reply after later ones. For 10 s after a timeout
  every reply with the same signature is therefore ambiguous and must be confirmed.
"""

from typing import Generic

from riglog.model import NS
from riglog.protocol.codec import Codec, Reply, Request

AMBIGUITY_WINDOW_NS = 10 * NS
"""For this long after its timeout, a reply may still be in transit."""

Signature = tuple[object, object]


class OutstandingReplies(Generic[Request, Reply]):
    """The outstanding replies of every address on a line."""

    def __init__(self, codec: Codec[Request, Reply]) -> None:
        self._codec = codec
        self._requests: dict[object, list[Request]] = {}
        self._resync_requests: list[Request] = []
        self._windows: dict[Signature, list[int]] = {}  # when each ambiguity window ends

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add_timed_out(self, request: Request, now_ns: int) -> None:
        """Note a request whose reply did not arrive in time."""
        requests = self._requests.setdefault(self._codec.address(request), [])
        if request not in requests:
            requests.append(request)
        windows = {key: [end for end in ends if end > now_ns] for key, ends in self._windows.items()}
        self._windows = {key: ends for key, ends in windows.items() if ends}  # those of a dead device end unused
        self._windows.setdefault(self._signature(request), []).append(now_ns + AMBIGUITY_WINDOW_NS)

    def is_ambiguous(self, request: Request, now_ns: int) -> bool:
        """True if a reply to ``request`` may be a late reply to an earlier request with the same signature."""
        if not self._windows:
            return False
        signature = self._signature(request)
        ends = [end for end in self._windows.pop(signature, ()) if end > now_ns]
        if ends:
            self._windows[signature] = ends
        return bool(ends)

    def confirm_late(self, request: Request) -> None:
        """Close one ambiguity window: one reply of this signature more than expected has arrived."""
        signature = self._signature(request)
        ends = self._windows.pop(signature, [])[1:]
        if ends:
            self._windows[signature] = ends

    def resync_request(self, request: Request) -> Request | None:
        """Return the resync request to send before ``request``; None if none is needed, or the protocol has none."""
        outstanding = self._requests.get(self._codec.address(request))
        if not outstanding:
            return None
        resync = self._codec.resync_request(request, outstanding)
        if resync is None:  # all of them have been sent in vain already: use the first ones again
            requests = [earlier for earlier in outstanding if earlier not in self._resync_requests]
            resync = self._codec.resync_request(request, requests)
        if resync is None:
            self.clear(request)
        elif resync not in self._resync_requests:
            self._resync_requests.append(resync)
        return resync

    def reply_received(self, request: Request) -> None:
        """The reply to ``request`` arrived, so replies to earlier requests of this address can no longer arrive.

        Except when it has the same signature as an outstanding one: then it may have been that one, and its own reply
        is still to come.
        """
        address = self._codec.address(request)
        signature = self._codec.reply_signature(request)
        earlier = self._requests.get(address, ())
        confusable = any(self._codec.reply_signature(other) == signature for other in earlier)
        self.clear(request)
        if confusable:
            self._requests[address] = [request]

    def clear(self, request: Request) -> None:
        """Forget all outstanding replies of the address of ``request``."""
        address = self._codec.address(request)
        self._requests.pop(address, None)
        self._resync_requests = [other for other in self._resync_requests if self._codec.address(other) != address]

    def _signature(self, request: Request) -> Signature:
        return self._codec.address(request), self._codec.reply_signature(request)
