"""One instrument behind one address."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from riglog.device.source import Pace
from riglog.model import Channel, Sample


class Device(ABC):
    """Base of every vendor's Controller, Analyzer, Balance …

    Construction sends nothing. ``open`` may read (identity, which channels are there), never write; after it
    ``channels`` is complete and stays as it is.
    """

    name: str
    pace: Pace = Pace.HOST
    rate_hz: float | None = None
    channels: tuple[Channel, ...] = ()
    on_write: Callable[[str], None] | None = None
    """Told of every change made to the instrument; a Manager records them as events."""

    @abstractmethod
    async def open(self) -> None:
        """Get to know the instrument, by reading only.

        Raises:
            ProtocolError: it does not answer, or not sense.
            DeviceError: it is not what the configuration says.
        """

    @abstractmethod
    async def identity(self) -> str | None:
        """What tells this instrument from others of its kind (serial number …), read now; None if it cannot tell.

        Raises:
            ProtocolError: it does not answer.
        """

    @abstractmethod
    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        """One sample per channel, in the order of ``channels``; a failed read is a sample without a value.

        Raises:
            ConnectionLostError: the port is gone; nothing was read.
        """

    def wrote(self, what: str) -> None:
        """Tell that the instrument was changed: ``setpoint[1] = 75 degF``. Every writing method ends with it."""
        if self.on_write is not None:
            self.on_write(what)

    async def aclose(self) -> None:
        """Let go of the instrument; the port stays open. Nothing is written."""
        return None
