"""The interface of a device: one instrument, card, camera or computed value that gives samples."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from msgspec.structs import replace

from riglog.device.context import DeviceContext
from riglog.device.safety import Safety, require_confirmation
from riglog.device.source import Pace
from riglog.device.threads import BlockingCalls
from riglog.errors import UnsupportedError, WriteRefusedError
from riglog.model import Channel, ParameterWrite, Sample, Value
from riglog.protocol import HeldLine, ProtocolClient

T = TypeVar("T")
Confirm = Callable[[float | str | None], None]
Client = TypeVar("Client", bound=ProtocolClient[Any, Any])


class HasValue(Protocol):
    """A sample, or what a reading means."""

    @property
    def value(self) -> Value | None: ...
    @property
    def text(self) -> str | None: ...


def label_or_number(found: HasValue) -> float | str | None:
    """Return what a person would write: the label of a value, or else its number."""
    if found.text is not None or found.value is None or isinstance(found.value, str):
        return found.text if found.text is not None else found.value
    return float(found.value)


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
    """Called with a description of every change of the instrument."""
    on_change: Callable[[str, ParameterWrite], None] | None = None
    """Called with the description and the values of every change; a Manager records them as events."""
    read_only: bool = False
    """The instrument must not be changed: ``confirm_change`` refuses. A Manager sets it."""
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

    def confirm_change(self, tier: Safety, what: str, confirm: bool, **context: object) -> None:
        """Refuse a change that was not confirmed, or of an instrument that must not be changed.

        Every writing method calls it before a byte is sent.

        Raises:
            WriteRefusedError: the rig is read-only.
            ConfirmationError: ``confirm`` is not exactly True.
        """
        if self.read_only and tier is not Safety.READ_ONLY:
            raise WriteRefusedError(
                f"{what}: refused, because this rig is read-only",
                hint="Nothing was sent. Remove read_only = true from [run] of the rig file, if it may be changed",
                device=self.name,
                **context,
            )
        require_confirmation(tier, what, confirm, device=self.name, **context)

    def wrote(self, what: str, write: ParameterWrite | None = None) -> None:
        """Report a change of the instrument (``setpoint[1] = 75 degF``). Every writing method calls it, or ``writing``.

        Args:
            write: the parameter and its values; None: a command without a value.
        """
        if self.on_write is not None:
            self.on_write(what)
        if self.on_change is not None:
            self.on_change(what, write or ParameterWrite(parameter=what))

    @contextmanager
    def writing(self, what: str, write: ParameterWrite) -> Iterator[Confirm]:
        """Report a change of the instrument when the block ends, however it ends: it may have been executed.

        Yields:
            What to call with the value that was read back, or with None if the instrument has only acknowledged.
        """
        result = write

        def confirmed(value: float | str | None) -> None:
            nonlocal result
            result = replace(write, new_value=write.new_value if value is None else value, confirmed=True)

        try:
            yield confirmed
        except BaseException:
            self.wrote(f"{what} (not confirmed)", replace(result, confirmed=False))
            raise
        self.wrote(what, result)

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
