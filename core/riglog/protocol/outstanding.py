"""Outstanding replies: requests that were sent without a reply, and whose replies may still arrive.

No I/O; the time is an argument, in nanoseconds. Two facts are kept per address and reply signature:

- Until when a reply may arrive: the late-reply limit. Until then a frame of this signature proves nothing by itself.
- Whether it was *passed*: a later request to the same address has been replied to. A device that responds in order has
  nothing older to send then; only a way that changes the order (a radio link, a gateway) can still deliver it.

What is passed and older than the limit is forgotten. What is not passed is kept, however old: the device may hang.
"""

from collections.abc import Callable, Sequence
from typing import Generic

from msgspec import Struct

from riglog.errors import DeviceRefusedError
from riglog.protocol.codec import Codec, Reply, Request

MOST_PER_SIGNATURE = 64
"""Older ones than the last so many of one signature are not counted any more."""


class Outstanding(Struct, Generic[Request]):
    """The outstanding replies of one signature.

    Attributes:
        ends: until when each of them may arrive.
        uncertain: one of them has arrived, and nobody knows which: a later reply passes none of them.
    """

    request: Request
    ends: list[int]
    passed: bool = False
    uncertain: bool = False


class OutstandingReplies(Generic[Request, Reply]):
    """The outstanding replies of every address on a line. False if there are none."""

    def __init__(self, codec: Codec[Request, Reply]) -> None:
        self._codec = codec
        self._replies: dict[object, dict[object, Outstanding[Request]]] = {}  # by address, then by signature
        self._resync_requests: list[Request] = []

    def __bool__(self) -> bool:
        return bool(self._replies)

    def add(self, request: Request, until_ns: int) -> None:
        """Note a request whose reply did not arrive in time, and may arrive until ``until_ns``."""
        codec = self._codec
        replies = self._replies.setdefault(codec.address(request), {})
        one = replies.setdefault(codec.reply_signature(request), Outstanding(request, []))
        one.ends = [*one.ends, until_ns][-MOST_PER_SIGNATURE:]
        one.passed = False

    def forget_old(self, now_ns: int) -> None:
        """Forget what has been passed and can no longer arrive."""
        for address, replies in list(self._replies.items()):
            for signature, one in list(replies.items()):
                if one.passed:
                    one.ends = [end for end in one.ends if end > now_ns]
                if not one.ends:
                    del replies[signature]
            self._drop_if_empty(address)

    def of(self, request: Request) -> Outstanding[Request] | None:
        """Return what is outstanding with the signature of ``request`` at its address."""
        codec = self._codec
        return self._replies.get(codec.address(request), {}).get(codec.reply_signature(request))

    def number_of(self, request: Request) -> int:
        """Return how many replies with the signature of ``request`` are outstanding at its address."""
        one = self.of(request)
        return 0 if one is None else len(one.ends)

    def any_unpassed(self, request: Request) -> bool:
        """True if a reply from the address of ``request`` is outstanding that no later reply has passed."""
        return any(not one.passed for one in self._replies.get(self._codec.address(request), {}).values())

    def any_at(self, request: Request) -> bool:
        """True if any reply from the address of ``request`` is outstanding."""
        return self._codec.address(request) in self._replies

    def arrived_in(
        self,
        received: bytes,
        awaited: Request | None,
        *,
        clear: bool,
        explained: Callable[[object, object], bool] = lambda address, signature: False,
    ) -> list[Outstanding[Request]]:
        """Return those whose reply can be in ``received``; the reply to ``awaited`` is not one of them.

        A refusal contains nothing of its request. If it can belong to several, no one of them is cleared.

        Args:
            clear: one reply fewer is outstanding then; False where it may be a copy.
            explained: a frame of this address and signature is more probably something else; it proves nothing.
        """
        codec = self._codec
        own = None if awaited is None else (codec.address(awaited), codec.reply_signature(awaited))
        arrived, refused = [], []
        for address, replies in list(self._replies.items()):
            for signature, one in list(replies.items()):
                if explained(address, signature):
                    continue
                place, found = (address, signature), codec.replies_in(one.request, received)
                if found and all(isinstance(reply, DeviceRefusedError) for reply in found):
                    refused.append(place)
                elif found and place != own and clear:
                    self._clear_one(*place)
                if found and place != own:
                    arrived.append(one)
        if clear and len(refused) == 1 and refused != [own]:
            self._clear_one(*refused[0])
        return arrived

    def one_of_them_arrived(self, request: Request, until_ns: int) -> None:
        """A reply arrived that may be the one to ``request`` or an older one: as many are still to come as before.

        The last of them may be that to ``request`` itself, until ``until_ns``. No order proves which one it is.
        """
        one = self.of(request)
        if one is not None:
            one.ends = [*one.ends[1:], until_ns]
            one.uncertain = True

    def one_arrived(self, request: Request) -> None:
        """One reply of this signature more than expected has arrived."""
        self._clear_one(self._codec.address(request), self._codec.reply_signature(request))

    def reply_received(self, request: Request, until_ns: int) -> None:
        """The reply to ``request`` arrived: a device that responds in order has nothing older to send.

        Except with the same signature, not passed: the reply may have been that one, and its own is still to come.
        """
        codec = self._codec
        address = codec.address(request)
        replies = self._replies.get(address)
        if replies is None:
            return
        same = replies.get(codec.reply_signature(request))
        confusable = same is not None and not same.passed
        for one in replies.values():
            one.passed = True
        self._resync_requests = [other for other in self._resync_requests if codec.address(other) != address]
        if confusable:
            self.add(request, until_ns)

    def passed_by_idle_line(self, request: Request) -> None:
        """The protocol has no resync request: that the line was idle has to do as proof of the order."""
        for one in self._replies.get(self._codec.address(request), {}).values():
            one.passed = True

    def resync_request(self, request: Request) -> Request | None:
        """Return the resync request to send before ``request``; None if the protocol has none."""
        outstanding = self.requests_at(request)
        resync = self._codec.resync_request(request, outstanding)
        if resync is None:  # all of them have been sent in vain already: use the first ones again
            requests = [earlier for earlier in outstanding if earlier not in self._resync_requests]
            resync = self._codec.resync_request(request, requests)
        if resync is not None and resync not in self._resync_requests:
            self._resync_requests.append(resync)
        return resync

    def requests_at(self, request: Request) -> Sequence[Request]:
        """Return the requests to the address of ``request`` whose replies are outstanding."""
        return [one.request for one in self._replies.get(self._codec.address(request), {}).values()]

    def _clear_one(self, address: object, signature: object) -> None:
        replies = self._replies.get(address, {})
        if signature in replies:
            del replies[signature].ends[:1]
            if not replies[signature].ends:
                del replies[signature]
        self._drop_if_empty(address)

    def _drop_if_empty(self, address: object) -> None:
        if not self._replies.get(address, True):
            del self._replies[address]
