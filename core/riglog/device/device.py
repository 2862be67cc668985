"""One instrument behind one address."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from riglog.device.source import Pace
from riglog.errors import UnsupportedError
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

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        """Change one parameter of the instrument; what it holds afterwards, None if it does not say.

        What ``riglog set`` calls; each vendor's own writing methods say more.

        Args:
            value: as a person writes it: a number in the unit that reading gives, or a label.

        Raises:
            UnsupportedError: this kind of instrument has nothing to write.
            WriteRefusedError: not confirmed, read-only, or not such a value; nothing was sent.
            DeviceError, ProtocolError: it was sent, and not taken, or nobody knows.
        """
        raise UnsupportedError("this instrument has no parameters to write", device=self.name)

    def wrote(self, what: str) -> None:
        """Tell that the instrument was changed: ``setpoint[1] = 75 degF``. Every writing method ends with it."""
        if self.on_write is not None:
            self.on_write(what)

    async def aclose(self) -> None:
        """Let go of the instrument; the port stays open. Nothing is written."""
        return None
