"""The place of a device without a port that has not been opened yet: only its driver can make the device."""

from collections.abc import Sequence

from riglog.device import Device, Pace
from riglog.errors import DeviceError
from riglog.model import Sample


class StandIn(Device):
    """A device without channels. A Manager never polls it."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    async def open(self) -> None:
        raise DeviceError("the device has not been opened yet", device=self.name)

    async def poll(self) -> Sequence[Sample]:
        raise DeviceError("the device has not been opened yet", device=self.name)
