"""The interface of a device: one instrument, card, camera or computed value that gives samples."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from riglog.device.context import DeviceContext
from riglog.device.source import Pace
from riglog.device.threads import BlockingCalls
from riglog.errors import UnsupportedError
from riglog.model import Channel, Sample
from riglog.protocol import HeldLine, ProtocolClient

T = TypeVar("T")
Client = TypeVar("Client", bound=ProtocolClient[Any, Any])


class Device(ABC):
    """Base class of every device: Controller, Analyzer, Balance …

    The constructor sends nothing. ``open`` may read (identity, available channels), but never write. After ``open``,
    ``channels`` is complete and does not change.
    """

    name: str
    pace: Pace = Pace.HOST
    rate_hz: float | None = None
    channels: tuple[Channel, ...] = ()
    on_write: Callable[[str], None] | None = None
    """Called with a description of every change of the instrument; a Manager records them as events."""
    _blocking_calls: BlockingCalls | None = None

    def __repr__(self) -> str:
        protocols = ", ".join(dict.fromkeys(f" over {channel.protocol}" for channel in self.channels))
        return f"<{type(self).__name__} {getattr(self, 'name', '?')!r}{protocols}, {len(self.channels)} channels>"

    @abstractmethod
    async def open(self) -> None:
        """Read what is needed to operate the instrument.

        Raises:
            ProtocolError: no reply, or an invalid one.
            DeviceError: the instrument does not match the configuration.
        """

    async def identity(self) -> str | None:
        """Read what distinguishes this instrument from others of its kind (serial number …); None: nothing does.

        Changes nothing, neither in the instrument nor in this object.

        Raises:
            ProtocolError: no reply, or an invalid one.
        """
        return None

    async def reconnected(self) -> None:
        """Read the set-up of the instrument again: it may have changed while the connection was interrupted.

        Called before the identity is compared and values are taken again.

        Raises:
            ProtocolError, DeviceError: as ``open``.
        """
        return None

    @abstractmethod
    async def poll(self) -> Sequence[Sample]:
        """Return one sample per channel, in the order of ``channels``; a failed read is a sample without a value.

        A device that sets its own pace waits for what the instrument sends next, and may return any number of samples
        per channel.

        Raises:
            ConnectionLostError: the connection is gone; nothing was read.
        """

    async def poll_steadily(self) -> Sequence[Sample]:
        """As ``poll``, for a caller that polls at a steady rate and calls ``settle`` at the end.

        A sample can have a ``proof`` that is still to come, within a second and with one of the next polls. Default:
        ``poll``, in which every sample is what it is.
        """
        return await self.poll()

    async def settle(self) -> None:
        """Make the checks that samples of earlier polls wait for: there is no further poll. Default: there are none.

        Raises:
            ProtocolError, DeviceError: not made; the samples are not proven.
        """
        return None

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        """Write one parameter; return the value read back, or None if it cannot be read.

        What ``riglog set`` calls; the writing methods of each vendor do more.

        Args:
            value: as a person writes it: a number in the unit in which it is read, or a label.

        Raises:
            UnsupportedError: the device has no writable parameters.
            WriteRefusedError: not confirmed, read-only, or an invalid value; nothing was sent.
            DeviceError, ProtocolError: it was sent, and refused, or it is not known whether it was executed.
        """
        raise UnsupportedError("the device has no writable parameters", device=self.name)

    async def in_thread(self, call: Callable[[], T], *, timeout: float) -> T:
        """Run a blocking call of a vendor's library in a worker thread, one at a time for each device.

        Args:
            timeout: seconds after which the call is abandoned. Until it returns, further calls fail at once.

        Raises:
            ReplyTimeoutError: no result in time.
        """
        if self._blocking_calls is None:
            self._blocking_calls = BlockingCalls()
        return await self._blocking_calls.run(call, timeout=timeout)

    def wrote(self, what: str) -> None:
        """Report a change of the instrument (``setpoint[1] = 75 degF``). Every writing method must call it."""
        if self.on_write is not None:
            self.on_write(what)

    async def aclose(self) -> None:
        """Release the instrument. The port stays open; nothing is written."""
        return None


class PortDevice(Device, Generic[Client]):
    """A device behind the client of a port.

    ``identity``, ``reconnected``, ``settle`` and the polls take the line that the caller holds already: a Manager holds
    the port for all devices of one poll, and hands the line down. Called without it, they take the port themselves.
    Both are ``async with self.client.hold(line) as line:``.
    """

    def __init__(self, client: Client, context: DeviceContext) -> None:
        self.client = client
        self.context = context
        self.name = context.device

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        return None

    async def reconnected(self, line: HeldLine[Any, Any] | None = None) -> None:
        return None

    @abstractmethod
    async def poll(self, line: HeldLine[Any, Any] | None = None) -> Sequence[Sample]: ...

    async def poll_steadily(self, line: HeldLine[Any, Any] | None = None) -> Sequence[Sample]:
        return await self.poll(line)

    async def settle(self, line: HeldLine[Any, Any] | None = None) -> None:
        return None
