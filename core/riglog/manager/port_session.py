"""A port of the rig: one transport, one client, the devices on it, and its way back when it is lost."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import anyio
from msgspec import Struct

from riglog.device import Pace
from riglog.errors import ConnectionLostError
from riglog.manager.managed_device import ManagedDevice, Tell
from riglog.manager.reconnectable import ReconnectableTransport
from riglog.model import NS, Channel, Clock, EventKind, Sample, Status
from riglog.plugin import Client
from riglog.transport import Link, Transport

Opener = Callable[[], Awaitable[Transport]]
RETRY_SECONDS = (0.1, 0.2, 0.5)
"""Between two attempts to open a lost port; the last for as long as it is away."""


class PortSession:
    """Everything that talks over one canonical port.

    ``opener`` opens the port again by the name the user gave it; None: the transport was handed in, and is not ours.
    """

    def __init__(self, key: str, name: str, link: Link, opener: Opener | None, tell: Tell, clock: Clock) -> None:
        self.key = key
        self.name = name
        self.link = link
        self.opener = opener
        self.transport = ReconnectableTransport(name)
        self.client: Client | None = None
        self.members: dict[str, ManagedDevice] = {}
        self._tell = tell
        self._clock = clock
        self._lost: ConnectionLostError | None = None
        self._closed = False
        self._attempts = 0
        self._next_attempt = 0.0

    async def open(self, given: Transport | None) -> None:
        """Open the port, or use the transport that was handed in."""
        if given is not None:
            self.transport.inner = given
        elif self.opener is not None:
            self.transport.inner = await self.opener()

    async def aclose(self) -> None:
        """Close the port if it is ours; whoever still polls it gets rows, and nobody opens it again."""
        self._closed = True
        if self.opener is None:
            self.transport.inner = None
        await self.transport.aclose()

    async def poll(self, members: Sequence[ManagedDevice]) -> list[Sample]:
        """One sample per channel of these members, in turn and without anybody between them."""
        if self.client is None:
            return [sample for member in members for sample in await self._poll_ready(member)]
        async with self.client.turn:
            return await self._poll(members)

    async def _poll(self, members: Sequence[ManagedDevice]) -> list[Sample]:
        samples: list[Sample] = []
        if self._lost is not None:
            await self._try_to_come_back()
        for member in members:
            if self._lost is None:
                try:
                    samples += await member.poll(shared=self._others_answer(member))
                    continue
                except ConnectionLostError as error:
                    await self._give_up(error)
            samples += member.absent(Status.SKIPPED, str(self._lost))
        return samples

    def _others_answer(self, member: ManagedDevice) -> bool:
        """Somebody pays for waiting on it: when the whole line is silent, nobody does."""
        return any(not other.silent for other in self.members.values() if other is not member)

    async def _poll_ready(self, member: ManagedDevice) -> list[Sample]:
        """Poll a device that somebody else opened, and may open again."""
        try:
            samples = await member.poll(shared=False)
        except ConnectionLostError as error:
            if self._lost is None:
                await self._give_up(error)
            return member.absent(Status.SKIPPED, str(error))
        if self._lost is not None:
            self._is_back()
        return samples

    async def listen(self, member: ManagedDevice) -> list[Sample]:
        """What a device that sets its own pace says next; a lost port is said once, then waited for."""
        if self.client is None:
            if self._lost is not None:
                await anyio.sleep(RETRY_SECONDS[-1])
            return await self._poll_ready(member)
        while self._lost is not None:
            await self._try_to_come_back()
            if self._lost is not None:
                await anyio.sleep(RETRY_SECONDS[0])
        try:
            return await member.listen()
        except ConnectionLostError as error:
            await self._give_up(error)
            return member.absent(Status.SKIPPED, str(error))

    async def _give_up(self, error: ConnectionLostError) -> None:
        """The port is gone: close it at once, and let everybody know."""
        self._lost = error
        self._attempts = 0
        self._back_off()
        for member in self.members.values():
            member.doubt()
        if self._closed:
            return
        self._tell(EventKind.PORT_LOST, error.message, None)
        if self.opener is not None:
            with suppress(Exception):  # what is gone may not even close; it is gone all the same
                await self.transport.aclose()

    async def _try_to_come_back(self) -> None:
        """Open the port again if it is time to try and it is ours."""
        if self.opener is None or self._closed or self._now() < self._next_attempt:
            return
        try:
            self.transport.inner = await self.opener()
        except Exception:  # an adapter that is just being plugged in fails in many ways
            self._back_off()
            return
        if self.client is not None:
            self.client.restart()
        self._is_back()

    def _is_back(self) -> None:
        self._lost = None
        for member in self.members.values():
            member.probe_now()
        self._tell(EventKind.PORT_RESTORED, "port is open again", None)

    def _back_off(self) -> None:
        """Say when to try next: soon at first, and seldom enough not to wear out whoever has to open it."""
        self._next_attempt = self._now() + RETRY_SECONDS[min(self._attempts, len(RETRY_SECONDS) - 1)]
        self._attempts += 1

    def _now(self) -> float:
        return self._clock.monotonic_ns() / NS


class RateGroup(Struct, frozen=True):
    """The devices of one port that share a rate and a pace, as one source for the recorder."""

    port: PortSession
    rate_hz: float | None
    pace: Pace

    @property
    def name(self) -> str:
        return self.port.name if self.rate_hz is None else f"{self.port.name} at {self.rate_hz:g} Hz"

    @property
    def members(self) -> list[ManagedDevice]:
        return [
            member
            for member in self.port.members.values()
            if member.device.rate_hz == self.rate_hz and member.device.pace is self.pace
        ]

    @property
    def channels(self) -> list[Channel]:
        return [channel for member in self.members for channel in member.device.channels]

    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        members = [member for member in self.members if names is None or member.name in names]
        if self.pace is Pace.DEVICE:
            return await self.port.listen(members[0]) if members else []
        return await self.port.poll(members)
