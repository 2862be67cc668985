"""What a plugin registers: how to open one kind of instrument."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

from riglog.device import Device
from riglog.protocol import ProtocolClient, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link, Transport
from riglog.transport.link import Bytesize, Parity, Stopbits

NAME = "a name: letters, digits, _ and -, beginning with a letter or digit, at most 64"
Seconds = Annotated[float, Meta(gt=0, le=86400)]
Rate = Annotated[float, Meta(gt=0, le=10_000)]


class DeviceConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What every ``[[device]]`` of a rig file may say; a driver's own struct adds to it.

    Serial settings that are None are the driver's usual ones for the protocol. ``timeout`` is in seconds per request.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description=NAME)]
    driver: str
    port: Annotated[str, Meta(min_length=1, description="the name of a port")]
    protocol: str | None = None
    rate_hz: Rate | None = None
    timeout: Seconds | None = None
    parameters: tuple[str, ...] = ()
    baudrate: Annotated[int, Meta(ge=50, le=4_000_000)] | None = None
    bytesize: Bytesize | None = None
    parity: Parity | None = None
    stopbits: Stopbits | None = None
    rtscts: bool = False
    xonxoff: bool = False
    dtr: bool | None = None
    rts: bool | None = None
    echo: bool = False

    def link_over(self, usual: Link) -> Link:
        """The driver's usual link, with what this configuration says put over it."""
        said = {
            name: value
            for name in ("baudrate", "bytesize", "parity", "stopbits", "rtscts", "xonxoff", "dtr", "rts", "echo")
            if (value := getattr(self, name)) is not None
        }
        return Link(**({name: getattr(usual, name) for name in usual.__struct_fields__} | said))


class Found(Struct, frozen=True):
    """An instrument that answered a probe; ``settings`` are config keys to reach it again."""

    protocol: str
    address: int | str | None
    identity: str
    settings: dict[str, str | int | float | bool]


Config = TypeVar("Config", bound=DeviceConfig)
Client = ProtocolClient[Any, Any]


class Driver(ABC, Generic[Config]):
    """How to open one kind of instrument. Only ``probe`` does I/O; importing a driver imports nothing heavy.

    Attributes:
        name: what a rig file calls it.
        summary: one line for ``riglog plugins``.
        protocols: the wire protocols it speaks; the first is the default.
        config: a msgspec struct that extends DeviceConfig; unknown keys are refused.
    """

    name: str
    summary: str
    protocols: tuple[str, ...]
    config: type[Config]

    @abstractmethod
    def check(self, config: Config) -> None:
        """Refuse what the struct's types cannot: unknown parameters, an address out of range, settings that exclude.

        Raises:
            ConfigError: naming what is wrong and what would be right.
        """

    @abstractmethod
    def link(self, config: Config) -> Link:
        """How the port must be set up. Devices whose links are equal share a port."""

    @abstractmethod
    def connect(self, link: Link, transport: Transport) -> Client:
        """The client for an opened port; shared by every device on it."""

    @abstractmethod
    def device(self, config: Config, client: Client) -> Device:
        """The device; it borrows the client. Sends nothing."""

    @abstractmethod
    def simulator(self, config: Config) -> Simulator:
        """The far end of the wire as ``config`` would find it: for tests, ``riglog demo`` and ``riglog simulate``."""

    def transactions(self, config: Config) -> Sequence[TransactionCost]:
        """What one poll puts on the wire, for the budget of the line; empty if it is not known."""
        return ()

    def links_to_probe(self) -> Sequence[Link]:
        """The settings ``riglog discover`` tries on a port, likeliest first."""
        return ()

    async def probe(self, link: Link, transport: Transport, *, listen: float | None = None) -> Sequence[Found]:
        """Who answers on an opened port. Reads only; silence is an empty answer, not an error.

        Args:
            listen: seconds to wait for an instrument that speaks of itself; None: as long as is usual for its kind.

        Raises:
            ConnectionLostError: the port is gone.
        """
        return ()

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """``[[device]]`` tables for ``riglog demo``; ``port`` is the name of a line that is simulated for it."""
        return ()

    def address(self, config: Config) -> int | str | None:
        """Where on a shared port the device sits; None if it needs the port for itself."""
        return None
