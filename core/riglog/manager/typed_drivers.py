"""What a type checker needs to know of a driver object: the class of its devices.

``driver="watlow"`` gives a ``Device`` for a type checker, ``driver=WatlowDriver()`` the class of this vendor.
"""

from typing import Any, Protocol, TypeVar

from riglog.device import Device

MadeDevice = TypeVar("MadeDevice", bound=Device, covariant=True)


ReadyDevice = TypeVar("ReadyDevice", bound=Device)


class MakesDevice(Protocol[MadeDevice]):
    """A driver of devices on a port."""

    def device(self, config: Any, client: Any, context: Any, /) -> MadeDevice: ...


class OpensDevice(Protocol[MadeDevice]):
    """A driver of devices without a port."""

    async def open(self, config: Any, context: Any, /) -> MadeDevice: ...
