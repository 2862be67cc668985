"""Who is there? Every driver looks for its instruments on every port, by reading only."""

from collections.abc import Callable, Sequence
from typing import Any

import anyio
from msgspec import Struct

from riglog.errors import ConnectionLostError, PortError
from riglog.model import DeviceResult
from riglog.plugin import AnyDriver, Driver, Found
from riglog.plugin.guard import OnFault, links_to_probe, log_fault, probe
from riglog.protocol import Connection
from riglog.transport import Link, open_transport

Progress = Callable[[str], None]


class Discovered(Struct, frozen=True):
    """An instrument that answered, and what a rig file needs to reach it again."""

    port: str
    driver: str
    found: Found

    def table(self, name: str) -> dict[str, Any]:
        """It as a ``[[device]]``."""
        table: dict[str, Any] = {
            "name": name,
            "driver": self.driver,
            "port": self.port,
            "protocol": self.found.protocol,
        }
        return table | self.found.settings


async def discover(
    ports: Sequence[str],
    drivers: Sequence[AnyDriver[Any]],
    progress: Progress = lambda text: None,
    *,
    listen: float | None = None,
    on_fault: OnFault = log_fault,
) -> tuple[list[Discovered], list[DeviceResult[None]]]:
    """Probe the ports side by side, each with every link of every driver in turn.

    Once somebody has answered on a port, only links with the same settings are tried on it; once somebody was found
    that needs the port for itself, none.

    Args:
        listen: seconds to wait for instruments that speak of themselves, if longer than is usual for their kind.
        on_fault: called for a driver that fails; it is not used any more on that port.

    Returns:
        Who answered, and per port that could not be opened its error (``device`` is the port's name).
    """
    probing = [driver for driver in drivers if isinstance(driver, Driver)]
    found: list[Discovered] = []
    closed: list[DeviceResult[None]] = []

    async def probe_port(port: str) -> None:
        try:
            found.extend(await _on_port(port, probing, progress, listen, on_fault))
        except PortError as error:
            closed.append(DeviceResult(port, None, error))

    async with anyio.create_task_group() as tasks:
        for port in ports:
            tasks.start_soon(probe_port, port)
    return sorted(found, key=lambda one: (one.port, one.driver, str(one.found.address))), closed


async def _on_port(
    port: str, drivers: Sequence[Driver[Any, Any]], progress: Progress, listen: float | None, on_fault: OnFault
) -> list[Discovered]:
    found: list[Discovered] = []
    settled: Link | None = None
    for driver in drivers:
        for link in links_to_probe(driver, on_fault):
            if settled is not None and not _same_settings(link, settled):
                continue
            progress(
                f"{port}: looking for {driver.name} at {link.baudrate} baud {link.bytesize}{link.parity}{link.stopbits}"
            )
            answers = await _probe(port, driver, link, listen, on_fault)
            if answers is None:
                break
            found += [Discovered(port, driver.name, one) for one in answers]
            settled = link if answers else settled
            if any(one.address is None for one in answers):
                return found
    return found


async def _probe(
    port: str, driver: Driver[Any, Any], link: Link, listen: float | None, on_fault: OnFault
) -> Sequence[Found] | None:
    transport = await open_transport(port, link)
    try:
        return await probe(driver, Connection(transport, link), listen=listen, on_fault=on_fault)
    except ConnectionLostError:
        return ()
    finally:
        with anyio.CancelScope(shield=True):
            await transport.aclose()


def _same_settings(one: Link, other: Link) -> bool:
    return all(difference.startswith("protocol ") for difference in one.differences(other))
