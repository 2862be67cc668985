"""What Balance needs from a wire protocol, so that one vocabulary serves both."""

from abc import ABC, abstractmethod
from enum import StrEnum

from msgspec import Struct

from riglog.device import Pace, Safety
from riglog.errors import UnsupportedError
from riglog.model import Stamp
from riglog.protocol import TimedReply
from riglog_sartorius.identity import Identity
from riglog_sartorius.reading import Reading
from riglog_sartorius.xbpi.frames import Frame


class Quantity(StrEnum):
    """What a balance can be polled for; the names of the channels."""

    NET = "net"
    GROSS = "gross"
    TARE = "tare"
    TEMPERATURE = "temperature"


class State(Struct, frozen=True, kw_only=True):
    """State of the balance; None means that it does not tell."""

    stamp: Stamp
    stable: bool
    overload: bool | None = None
    underload: bool | None = None
    adjusting: bool | None = None
    isocal_due: bool | None = None
    adc_trusted: bool | None = None
    tick: int | None = None


class Dialect(ABC):
    """A balance as its protocol shows it. Nothing here asks for confirmation: Balance has done so."""

    pace = Pace.HOST

    @abstractmethod
    async def greet(self) -> None:
        """Make sure that the balance is there and speaks this protocol. Reads only; forgets what was learnt before.

        Raises:
            ProtocolError: it does not answer, or in another language.
            AutoprintError: it prints of itself, and we meant to ask.
        """

    @abstractmethod
    async def identify(self) -> Identity:
        """Read who it is."""

    @abstractmethod
    async def serial_number(self) -> str | None:
        """Read what tells it from others of its kind; None if it cannot tell.

        Raises:
            ProtocolError: it can, and does not answer.
        """

    @abstractmethod
    async def read(self, quantity: Quantity, *, hires: int = 0) -> Reading:
        """Read a weight; ``hires`` asks for that many more decimals, 0 to 2."""

    @abstractmethod
    async def state(self) -> State:
        """Read the state."""

    @abstractmethod
    async def tare(self) -> None: ...

    @abstractmethod
    async def zero(self) -> None: ...

    @abstractmethod
    async def adjust(self) -> None:
        """Start the internal adjustment."""

    async def set_filter(self, mode: int) -> None:
        """Switch the filter, 1 very stable to 4 very unstable."""
        raise lacks("the filter")

    async def query(self, opcode: int, args: bytes = b"") -> TimedReply[Frame]:
        """Ask an xBPI command."""
        raise lacks("parameters and registers")

    @abstractmethod
    def safety_of(self, code: int | str, args: bytes) -> tuple[Safety, str]:
        """What a bare command may do, and how to name it.

        Raises:
            ConfigError: that is no command of this protocol.
        """

    @abstractmethod
    async def raw(self, code: int | str, args: bytes) -> bytes | None:
        """Send a bare command; its reply as it came, None if it has none."""


def lacks(what: str) -> UnsupportedError:
    return UnsupportedError(f"SBI has no access to {what}", hint="switch the balance's port to xBPI in its menu")
