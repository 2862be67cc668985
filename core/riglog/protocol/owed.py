"""What was asked and never answered, and may still be. The instrument is taken to answer in the order of asking."""

from typing import Generic

from riglog.protocol.codec import Codec, Reply, Request


class Owed(Generic[Request, Reply]):
    """The replies that each address still owes; no I/O."""

    def __init__(self, codec: Codec[Request, Reply]) -> None:
        self._codec = codec
        self._requests: dict[object, list[Request]] = {}
        self._markers: list[Request] = []  # those that were only asked to find the end of the rest

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add(self, request: Request) -> None:
        """It was sent, and nothing answered it."""
        owed = self._requests.setdefault(self._codec.address(request), [])
        if request not in owed:
            owed.append(request)

    def marker(self, request: Request) -> Request | None:
        """What to ask before ``request`` can be asked; None if nothing is owed, or only silence can help."""
        owed = self._requests.get(self._codec.address(request))
        if not owed:
            return None
        marker = self._codec.marker(request, owed)
        if marker is None:  # none is left that was not asked in vain already
            marker = self._codec.marker(request, [one for one in owed if one not in self._markers])
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
        shape = self._codec.shape(request)
        alike = any(self._codec.shape(one) == shape for one in owed)
        self.forgive(request)
        if alike:
            self._requests[address] = [request]

    def forgive(self, request: Request) -> None:
        """Nothing is owed any more by whoever is asked ``request``."""
        address = self._codec.address(request)
        self._requests.pop(address, None)
        self._markers = [one for one in self._markers if self._codec.address(one) != address]
