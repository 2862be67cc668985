"""The devices of one session that share a rate and a pace, as one source for the recorder."""

from collections.abc import Sequence

from msgspec import Struct

from riglog.device import Pace
from riglog.manager.managed_device import ManagedDevice
from riglog.manager.session import NextDue, Session
from riglog.model import Channel, Sample


class RateGroup(Struct, frozen=True):
    """``names`` limits it to these devices; None: all of them. Equal groups are the same source."""

    session: Session
    rate_hz: float | None
    pace: Pace
    names: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        return self.session.name if self.rate_hz is None else f"{self.session.name} at {self.rate_hz:g} Hz"

    @property
    def devices(self) -> list[ManagedDevice]:
        return [
            managed
            for managed in self.session.devices.values()
            if managed.rate_hz == self.rate_hz
            and managed.pace is self.pace
            and (self.names is None or managed.name in self.names)
        ]

    @property
    def channels(self) -> list[Channel]:
        return [channel for managed in self.devices for channel in managed.channels]

    async def poll(self) -> Sequence[Sample]:
        devices = self.devices
        if self.pace is Pace.DEVICE:
            return await self.session.next_samples(devices[0]) if devices else []
        return await self.session.poll(devices)

    async def poll_steadily(self) -> Sequence[Sample]:
        return await self.session.poll(self.devices, steadily=True)

    async def settle(self) -> None:
        await self.session.settle(self.devices)

    async def maintain(self, next_due: NextDue) -> None:
        await self.session.maintain(next_due)
