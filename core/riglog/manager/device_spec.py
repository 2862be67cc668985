"""What it takes to open a device, worked out before anything is touched, and whether a port can be shared for it."""

from collections.abc import Container, Mapping
from typing import Any

from msgspec import Struct

from riglog.errors import ConfigError, LinkConflictError, error_context
from riglog.plugin import DeviceConfig, Driver, Registry, configure
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport, Simulator
from riglog.transport import Link, Transport, canonical_port

SIMULATED = "sim:"


class DeviceSpec(Struct, frozen=True):
    """A device to open: by which driver, over which link, where on which port."""

    driver: Driver[Any]
    config: DeviceConfig
    link: Link
    address: int | str | None
    key: str

    @property
    def simulated(self) -> bool:
        return self.key.startswith(SIMULATED)


def resolve_device(
    registry: Registry, table: Mapping[str, Any], where: str = "device", *, strict: bool = True, key: str | None = None
) -> DeviceSpec:
    """Read and check everything that can be checked without opening anything.

    Args:
        key: what identifies the port, if its name does not: a transport that was handed in.

    Raises:
        ConfigError: an unknown driver or key, a wrong value, a port name that makes no sense.
    """
    name = table.get("name")
    with error_context(device=name):
        if "driver" not in table:
            raise ConfigError(f"{where}.driver: is missing", hint="add driver = …; `riglog plugins` lists them")
        driver = registry.driver(str(table["driver"]))
        config = configure(driver, table, where, strict=strict)
        return DeviceSpec(
            driver, config, driver.link(config), driver.address(config), key or canonical_port(config.port)
        )


def check_compatible(wanted: DeviceSpec, link: Link, others: Mapping[str, int | str | None]) -> None:
    """See that a device can join a port whose link and occupants (name to address) are these.

    Raises:
        LinkConflictError: other settings, or one of them needs the port for itself.
        ConfigError: the address is taken.
    """
    names = ", ".join(others)
    context = {"device": wanted.config.name, "port": wanted.config.port}
    if wanted.link != link:
        differences = "; ".join(wanted.link.differences(link))
        raise LinkConflictError(
            f"port is shared with {names}, which needs it set up otherwise: {differences}",
            hint="the same protocol and settings for both, or a port of its own for each",
            **context,
        )
    for name, address in others.items():
        if wanted.address is None or address is None:
            alone = wanted.config.name if wanted.address is None else name
            hint = "give it a port of its own"
            raise LinkConflictError(f"{alone} needs the port for itself, and {names} is on it", hint=hint, **context)
        if address == wanted.address:
            hint = "every device on a shared port needs its own address"
            raise ConfigError(f"address {wanted.address} is taken by {name}", hint=hint, **context)


class SimulatedPort:
    """Ports named ``sim:…``: the drivers' own simulators, one line for all devices of that port name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._simulators: dict[str, Simulator] = {}
        self._bus = SimulatedBus()
        self._wire = FaultyWire(self._bus)

    def plug(self, simulator: Simulator, device: str, beside: Container[str]) -> None:
        """Connect a simulator to the line; only those of the devices ``beside`` it stay."""
        self._simulators = {name: one for name, one in self._simulators.items() if name in beside}
        self._simulators[device] = simulator
        self._bus.simulators = list(self._simulators.values())

    async def open(self) -> Transport:
        return SimulatedTransport(self._wire, port=self.name)
