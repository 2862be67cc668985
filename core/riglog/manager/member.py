"""A device on a port: whether it may be polled now, whether it is still the same instrument, and what its poll gave."""

from collections.abc import Callable

import anyio

from riglog.device import Device, missing
from riglog.errors import ConnectionLostError, RiglogError
from riglog.manager.breaker import Breaker
from riglog.model import NS, Clock, EventKind, Sample, Status
from riglog.plugin import Client

Tell = Callable[[EventKind, str, str | None], None]


class Member:
    """One device of a rig and how it has been doing. Told events go out once per change of state."""

    def __init__(
        self, device: Device, client: Client | None, address: int | str | None, tell: Tell, clock: Clock
    ) -> None:
        self.device = device
        self.client = client
        self.address = address
        self.identity: str | None = None
        self._tell = tell
        self._clock = clock
        self._breaker = Breaker()
        self._verified = True
        self._stranger: str | None = None

    @property
    def name(self) -> str:
        return self.device.name

    async def open(self) -> None:
        """Get to know the instrument; what it is now is what it has to be later."""
        await self.device.open()
        self.identity = await self.device.identity()

    def doubt(self) -> None:
        """The line was interrupted: whoever answers next may be another instrument."""
        self._verified = False

    async def poll(self, *, shared: bool) -> list[Sample]:
        """One sample per channel, whatever happens.

        Raises:
            ConnectionLostError: the port is gone.
        """
        now = self._clock.monotonic_ns() / NS
        if not self._breaker.may_poll(now):
            return self.absent(Status.SKIPPED, "device is silent; it is asked again now and then")
        replies = self._replies()
        try:
            if not self._verified and not await self._is_the_same():
                return self.absent(Status.SKIPPED, f"another instrument answers: {self._stranger}")
            samples = await self.device.poll()
        except ConnectionLostError:
            raise
        except RiglogError as error:
            await anyio.lowlevel.checkpoint()
            samples = self.absent(Status.MISSING, str(error))
        if self.client is not None:
            self._judge(self._replies() > replies, shared)
        return samples

    async def listen(self) -> list[Sample]:
        """What the instrument says next of itself.

        Raises:
            ConnectionLostError: the port is gone.
        """
        try:
            return await self.device.poll()
        except ConnectionLostError:
            raise
        except RiglogError as error:
            await anyio.lowlevel.checkpoint()
            return self.absent(Status.MISSING, str(error))

    def absent(self, status: Status, error: str) -> list[Sample]:
        """A sample without a value for every channel."""
        return missing(self.device.channels, error, self._clock, status)

    async def _is_the_same(self) -> bool:
        found = await self.device.identity()
        self._verified = found is None or self.identity is None or found == self.identity
        if not self._verified and found != self._stranger:
            message = f"expected {self.identity}, found {found}; its values are not recorded"
            self._tell(EventKind.WRONG_INSTRUMENT, message, self.name)
        self._stranger = None if self._verified else found
        return self._verified

    def _replies(self) -> int:
        return 0 if self.client is None else self.client.counters.replies

    def _judge(self, answered: bool, shared: bool) -> None:
        if answered:
            if self._breaker.answered():
                self._tell(EventKind.DEVICE_BACK, "device answers again", self.name)
        elif self._breaker.silent(self._clock.monotonic_ns() / NS, shared=shared):
            self.doubt()
            self._tell(EventKind.DEVICE_SILENT, "device does not answer; it is asked again now and then", self.name)
