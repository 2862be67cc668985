"""A device without a port: opened by a ``DirectDriver``, or opened by the caller and handed in ready."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf

import anyio

from riglog.errors import ConnectionLostError
from riglog.manager.managed_device import ManagedDevice, Report
from riglog.manager.session import RETRY_SECONDS, Session
from riglog.model import Clock, Sample, Status


class DirectSession(Session):
    """One device. ``owned``: it was opened here, so it is closed here, and opened again after a loss."""

    def __init__(self, key: str, name: str, report: Report, clock: Clock, *, owned: bool) -> None:
        super().__init__(key, name, report, clock)
        self.owns_devices = owned

    async def aclose(self) -> None:
        self._closed = True

    async def poll(self, devices: Sequence[ManagedDevice], *, steadily: bool = False) -> list[Sample]:
        samples: list[Sample] = []
        for device in devices:
            if self._lost is not None and self.owns_devices and not self._schedules:
                await self._try_reopen()
            samples += await self._attempt(device, partial(device.poll, None, shared=lambda: False, steadily=steadily))
        self._polled()
        return samples

    async def settle(self, devices: Sequence[ManagedDevice]) -> None:
        for device in devices:
            await device.settle(None)

    async def _open_absent(self, device: ManagedDevice) -> None:
        """Do nothing: the device is the connection, which is lost until it is opened."""

    async def _verify(self, device: ManagedDevice) -> None:
        with anyio.move_on_after(self._idle_seconds()):
            await device.verify_identity(None)

    async def _reconnect(self) -> float:
        return await super()._reconnect() if self.owns_devices else inf

    async def next_samples(self, device: ManagedDevice) -> Sequence[Sample]:
        if not self.owns_devices and self._lost is not None:
            await anyio.sleep(RETRY_SECONDS[-1])
            return await self._attempt(device, device.listen)
        return await super().next_samples(device)

    async def _attempt(
        self, device: ManagedDevice, take: Callable[[], Awaitable[Sequence[Sample]]]
    ) -> Sequence[Sample]:
        """Only its owner can open a ready device again: it is polled during a loss, too, until that succeeds."""
        if self.owns_devices or self._lost is None:
            return await super()._attempt(device, take)
        try:
            samples = await take()
        except ConnectionLostError as error:
            return device.missing(Status.SKIPPED, error.message)
        self._restored()
        return samples

    async def _reopen(self) -> None:
        for device in self.devices.values():
            await (device.reopen() if device.absence is None else device.appear())

    async def _release(self) -> None:
        if self.owns_devices:
            for device in self.devices.values():
                await device.aclose()
