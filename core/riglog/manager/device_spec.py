"""What it takes to open a device, resolved before anything is opened, and whether it can share a port."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from riglog.device import DeviceContext
from riglog.errors import ConfigError, LinkConflictError, error_context
from riglog.manager.port_session import ClientFactory
from riglog.model import Clock
from riglog.plugin import AnyDriver, DeviceConfig, DirectConfig, DirectDriver, Driver, Registry, configure
from riglog.plugin.guard import bugs_as, is_a
from riglog.simulation import Simulator
from riglog.transport import Link, canonical_port

SIMULATED = "sim:"
DIRECT = "direct:"


class PortSpec(Struct, frozen=True):
    """The port of a device: its name, its key, how it is operated, and what makes its client."""

    name: str
    key: str
    link: Link
    factory: ClientFactory

    @property
    def simulated(self) -> bool:
        return self.key.startswith(SIMULATED)


class DeviceSpec(Struct, frozen=True):
    """A device to open. ``port`` is None for a device without one."""

    driver: AnyDriver[Any]
    config: DirectConfig
    address: int | str | None = None
    port: PortSpec | None = None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def key(self) -> str:
        """Identifies its connection in the rig."""
        return self.port.key if self.port is not None else DIRECT + self.config.name

    @property
    def port_name(self) -> str | None:
        """The port as the user calls it; None for a device without one."""
        return None if self.port is None else self.port.name

    @property
    def protocol(self) -> str:
        """The wire protocol; the name of the driver for a device without a port."""
        return self.driver.name if self.port is None else self.port.link.protocol

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that the core has to select; empty if the driver does it, or all are wanted."""
        return () if self.driver.selects_parameters else self.config.parameters

    def simulator(self) -> Simulator:
        """Return a simulated instrument as the device is configured.

        Raises:
            ConfigError: it has no port on which an instrument could be simulated.
        """
        if not isinstance(self.driver, Driver):
            raise ConfigError(f"driver {self.driver.name} has no port, so there is nothing to simulate")
        return self.driver.simulator(self.config)

    def context(self, clock: Clock) -> DeviceContext:
        """Return what the driver is told about the device."""
        return DeviceContext(
            device=self.config.name,
            driver=self.driver.name,
            protocol=self.protocol,
            address=self.address,
            clock=clock,
        )


def resolve_device(
    registry: Registry,
    table: Mapping[str, Any],
    where: str = "device",
    *,
    strict: bool = True,
    key: str | None = None,
    driver: AnyDriver[Any] | None = None,
) -> DeviceSpec:
    """Check everything that can be checked without opening anything.

    Args:
        table: a ``[[device]]`` table.
        key: identifies the port, if its name does not: a transport that was handed in.
        driver: the driver itself; None: that of the registry.

    Raises:
        ConfigError: an unknown driver or key, an invalid value or port name.
    """
    name = table.get("name")
    with error_context(device=name):
        if not table.get("driver"):
            hint = 'Add driver = "…"; `riglog plugins` lists the drivers'
            raise ConfigError(f"{where}.driver: missing", hint=hint)
        driver = driver or registry.driver(str(table["driver"]))
        config = configure(driver, table, where, strict=strict)
        if isinstance(driver, DirectDriver):
            return DeviceSpec(driver, config)
        assert isinstance(driver, Driver)
        assert isinstance(config, DeviceConfig)
        with bugs_as(ConfigError, driver, "link()"):
            link = is_a(Link, driver.link(config))
        _check_accept_unit(link, where)
        with bugs_as(ConfigError, driver, "client_factory()"):
            factory = driver.client_factory(link)
        with bugs_as(ConfigError, driver, "address()"):
            address = driver.address(config)
        return DeviceSpec(
            driver, config, address, PortSpec(config.port, key or canonical_port(config.port), link, factory)
        )


def _check_accept_unit(link: Link, where: str) -> None:
    """Raise ConfigError where no transaction number proves to which request a reply belongs."""
    if link.accept_unit == ():
        return
    from riglog.protocol.modbus.framing import TcpFraming

    if link.protocol != TcpFraming.protocol:
        raise ConfigError(
            f"{where}.accept_unit: not possible with protocol {link.protocol!r}",
            hint='Remove it; it is for gateways with protocol = "modbus-tcp"',
        )


def check_compatible(wanted: DeviceSpec, port: PortSpec, others: Mapping[str, int | str | None]) -> None:
    """Check that a device can join a port that is operated like this for other devices.

    Args:
        others: the addresses of the devices on the port, by name.

    Raises:
        LinkConflictError: other settings, another plugin's protocol, or one of them needs the port for itself.
        ConfigError: the address is used already.
    """
    assert wanted.port is not None
    names = ", ".join(others)
    context = {"device": wanted.name, "port": wanted.port_name}
    if wanted.port.link != port.link:
        differences = "; ".join(wanted.port.link.differences(port.link))
        raise LinkConflictError(
            f"port settings conflict with {names}: {differences}",
            hint="Use the same protocol and serial settings for all devices on a port, or separate ports",
            **context,
        )
    if wanted.port.factory != port.factory:
        raise LinkConflictError(
            f"protocol {port.link.protocol!r} of driver {wanted.driver.name} is not the protocol of {names}, "
            "although it has the same name",
            hint=f"Connect {wanted.name} to a separate port",
            **context,
        )
    for name, address in others.items():
        if wanted.address is None or address is None:
            alone, other = (wanted.name, name) if wanted.address is None else (name, wanted.name)
            raise LinkConflictError(
                f"{alone} cannot share a port: it has no bus address, and {other} uses the same port",
                hint=f"Connect {alone} to a separate port",
                **context,
            )
        if address == wanted.address:
            hint = "Give every device on a shared port a unique address"
            raise ConfigError(f"address {wanted.address} is already used by {name}", hint=hint, **context)
