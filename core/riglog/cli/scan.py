"""Finding instruments for a command: which drivers can, on which ports, shown step by step."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from riglog.cli.console import print_warning
from riglog.cli.steps import steps
from riglog.errors import ConfigError
from riglog.manager.discovery import Discovered, discover
from riglog.model import DeviceResult
from riglog.plugin import AnyDriver, Driver


class Scan(Struct, frozen=True):
    """What was found on which ports, and the ports that could not be opened, or on which a driver failed."""

    ports: list[str]
    found: list[Discovered]
    failed: list[DeviceResult[None]]

    @property
    def opened(self) -> list[str]:
        """The ports that were scanned."""
        closed = {result.device for result in self.failed}
        return [port for port in self.ports if port not in closed]

    @property
    def tables(self) -> list[dict[str, Any]]:
        """A ``[[device]]`` table for each instrument, named after its driver and numbered."""
        count: dict[str, int] = {}
        tables = []
        for instrument in self.found:
            number = count[instrument.driver] = count.get(instrument.driver, 0) + 1
            tables.append(instrument.table(f"{instrument.driver}-{number}"))
        return tables


def drivers_that_discover(names: Sequence[str]) -> list[AnyDriver[Any]]:
    """Return the drivers that can find their instruments; a warning names the others. No name: all that are installed.

    Raises:
        ConfigError: an unknown driver, or none that can.
    """
    from riglog.plugin import installed

    registry = installed()
    drivers = [registry.driver(name) for name in names] or list(registry.drivers.values())
    able = [driver for driver in drivers if can_be_discovered(driver)]
    unable = [driver.name for driver in drivers if driver not in able]
    if not able:
        raise ConfigError(
            f"instruments of {', '.join(unable)} cannot be discovered: no probe",
            hint="Add them to the rig file yourself; `riglog check RIG.toml --live` reads them once",
        )
    if unable:
        print_warning(f"instruments of {', '.join(unable)} cannot be discovered; add them to the rig file yourself")
    return able


async def scan(ports: Sequence[str], drivers: Sequence[AnyDriver[Any]], listen: float | None) -> Scan:
    """Probe the ports; none: all serial ports of this machine."""
    from riglog.transport import serial_ports

    scanned = list(ports) or [port.device for port in serial_ports()]
    with steps("scanning") as step:
        found, failed = await discover(scanned, drivers, step, listen=listen, note=print_warning)
    return Scan(scanned, found, failed)


def can_be_discovered(driver: AnyDriver[Any]) -> bool:
    """Return True if the driver names links to probe."""
    return isinstance(driver, Driver) and type(driver).links_to_probe is not Driver.links_to_probe
