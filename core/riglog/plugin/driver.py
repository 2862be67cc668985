"""What a plugin registers: how to open one kind of device.

``Driver`` is for devices on a port, ``DirectDriver`` for everything else: a vendor's library, a card, a camera, a
computed value. Both describe themselves in the same way (``AnyDriver``).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct

from riglog.device import Device, DeviceContext, Pace, PortDevice
from riglog.device.frame_reader import FrameReader
from riglog.plugin.config import DeviceConfig, DirectConfig
from riglog.protocol import Connection, ProtocolClient, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link

AnyClient = ProtocolClient[Any, Any]
CommonConfig = TypeVar("CommonConfig", bound=DirectConfig)
Config = TypeVar("Config", bound=DeviceConfig)
Direct = TypeVar("Direct", bound=DirectConfig)
Client = TypeVar("Client", bound=AnyClient)


class Found(Struct, frozen=True):
    """An instrument that responded to a probe; ``settings`` are the keys of a ``[[device]]`` that reach it again."""

    protocol: str
    address: int | str | None
    identity: str
    settings: dict[str, str | int | float | bool]


class AnyDriver(ABC, Generic[CommonConfig]):
    """What all drivers have in common. Importing a driver imports nothing heavy.

    Attributes:
        name: the name in a rig file.
        summary: one line for ``riglog plugins``.
        protocols: the wire protocols; the first is the default. Empty for a device without a port.
        config: a msgspec struct that extends DeviceConfig or DirectConfig; unknown keys are refused.
        selects_parameters: True if the driver interprets the key ``parameters`` itself. Otherwise the core keeps only
            the channels that the key names.
    """

    name: str
    summary: str
    config: type[CommonConfig]
    protocols: tuple[str, ...] = ()
    selects_parameters: ClassVar[bool] = False

    def check(self, config: CommonConfig) -> None:
        """Refuse what the types of the struct cannot: unknown parameters, an invalid address, conflicting settings.

        Raises:
            ConfigError: naming what is wrong and what would be right.
        """
        return None

    def pace(self, config: CommonConfig) -> Pace:
        """Return what will set the pace of the device, for ``riglog check``; the device itself decides."""
        return Pace.HOST

    def settable(self, config: CommonConfig) -> Sequence[str] | None:
        """Return the parameters that ``set_parameter`` of the device accepts; None if that is not known."""
        return None

    def canonical_name(self, config: CommonConfig, name: str) -> str | None:
        """Return the name under which a parameter is recorded, for a name that people use; None: not known.

        Raises:
            ConfigError: the name can mean several parameters.
        """
        return None

    def files(self, config: CommonConfig) -> Mapping[str, str]:
        """Return the texts of the files that describe the instrument, by name: they are stored with the run."""
        return {}

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Return ``[[device]]`` tables for ``riglog demo``; ``port`` is the name of a port that is simulated for it."""
        return ()


class Driver(AnyDriver[Config], Generic[Config, Client]):
    """How to open one kind of device on a port. Only ``probe`` does I/O."""

    @abstractmethod
    def link(self, config: Config) -> Link:
        """Return the protocol and settings of the port. Devices with equal links can share a port."""

    @abstractmethod
    def connect(self, connection: Connection) -> Client:
        """Return the client of an opened port; all devices of the port share it."""

    def client_factory(self, link: Link) -> Callable[[Connection], Client]:
        """Return what makes the client of a port with this link. Devices share a port only if it is the same.

        The default is ``connect`` of this driver, so that a protocol belongs to the plugin that brings it. Drivers of
        different vendors share a port by returning one function of the core, such as
        ``riglog.protocol.modbus.connect_modbus``.
        """
        return self.connect

    @abstractmethod
    def device(self, config: Config, client: Client, context: DeviceContext) -> PortDevice[Client]:
        """Return the device; it uses the client, but does not own it. Sends nothing."""

    @abstractmethod
    def simulator(self, config: Config) -> Simulator:
        """Return a simulated instrument as ``config`` describes it, for tests, ``demo`` and ``simulate``."""

    def frame_reader(self, config: Config, context: DeviceContext) -> FrameReader[Any] | None:
        """Return what reads the frames of the protocol for ``riglog raw`` and ``riglog tap``; None: nothing does.

        Args:
            context: of the device; what is recorded of a line that is listened to has its name and the address.
        """
        return None

    def transactions(self, config: Config) -> Sequence[TransactionCost]:
        """Return what one poll puts on the line, for the utilisation of the port; empty if it is not known."""
        return ()

    def links_to_probe(self) -> Sequence[Link]:
        """Return the settings that ``riglog discover`` tries on a port, the most likely first."""
        return ()

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        """Return the instruments that respond on an opened port. Reads only; no response is an empty result.

        Args:
            listen: seconds to wait for an instrument in continuous output mode; None: the usual time of its kind.

        Raises:
            ConnectionLostError: the port is gone.
        """
        return ()

    def address(self, config: Config) -> int | str | None:
        """Return the address on a shared port; None if the device needs the port for itself."""
        return None


class DirectDriver(AnyDriver[Direct]):
    """How to open one kind of device without a port: only ``open`` is needed."""

    @abstractmethod
    async def open(self, config: Direct, context: DeviceContext) -> Device:
        """Return the device; the core calls its own ``open`` next, and again after an interruption.

        Raises:
            ConfigError, DeviceError: it cannot be opened.
        """
