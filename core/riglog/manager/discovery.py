"""Finds instruments: every driver probes every port, by reading only."""

from collections.abc import Callable, Sequence
from typing import Any

import anyio
from msgspec import Struct

from riglog.device import is_plugin_fault
from riglog.errors import ConnectionLostError, DeviceError, PortError, describe
from riglog.model import DeviceResult
from riglog.plugin import AnyDriver, Driver, Found
from riglog.plugin.guard import each_is
from riglog.protocol import Connection
from riglog.transport import Link, open_transport

Progress = Callable[[str], None]
AnyPortDriver = Driver[Any, Any]


class Discovered(Struct, frozen=True):
    """An instrument that responded, and what a rig file needs to reach it again."""

    port: str
    driver: str
    found: Found

    def table(self, name: str) -> dict[str, Any]:
        """Return it as a ``[[device]]`` table."""
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
) -> tuple[list[Discovered], list[DeviceResult[None]]]:
    """Probe the ports concurrently, each with every link of every driver in turn.

    After an instrument has responded on a port, only links with the same settings are tried on it; after one was found
    that needs the port for itself, none.

    Args:
        listen: seconds to listen for instruments in continuous output mode, if longer than the usual time.

    Returns:
        The instruments found, and the error of each port that could not be opened, and of each driver that failed
        (``device`` is the name of the port).
    """
    found: list[Discovered] = []
    errors: list[DeviceResult[None]] = []
    probers = [_Prober(driver) for driver in drivers if isinstance(driver, Driver)]

    async def probe_port(port: str) -> None:
        try:
            found.extend(await _on_port(port, probers, progress, listen))
        except PortError as error:
            errors.append(DeviceResult(port, None, error))

    async with anyio.create_task_group() as tasks:
        for port in ports:
            tasks.start_soon(probe_port, port)
    errors += [DeviceResult(prober.port, None, prober.error) for prober in probers if prober.error is not None]
    return sorted(found, key=lambda one: (one.port, one.driver, str(one.found.address))), errors


class _Prober:
    """A driver as discovery uses it: a bug in it ends its own probing only, and is reported once."""

    def __init__(self, driver: AnyPortDriver) -> None:
        self.driver = driver
        self.error: DeviceError | None = None
        self.port = ""

    def links(self, port: str) -> Sequence[Link]:
        if self.error is not None:
            return ()
        try:
            return each_is(Link, self.driver.links_to_probe())
        except BaseException as error:
            return self._failed(error, port)

    async def probe(self, port: str, link: Link, listen: float | None) -> Sequence[Found]:
        transport = await open_transport(port, link)
        try:
            return each_is(Found, await self.driver.probe(Connection(transport, link), listen=listen))
        except ConnectionLostError:
            return ()
        except PortError:
            raise
        except BaseException as error:
            return self._failed(error, port)
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()

    def _failed(self, error: BaseException, port: str) -> tuple[()]:
        """Note a bug of the driver; raise what ends the program."""
        if not is_plugin_fault(error):
            raise error
        name = self.driver.name
        self.port = self.port or port
        self.error = self.error or DeviceError(
            f"driver {name} failed (bug in the plugin): {describe(error)}",
            hint=f"Report it to the author of the plugin; `riglog discover --driver …` without {name} avoids it",
            port=port,
        )
        return ()


async def _on_port(port: str, probers: Sequence[_Prober], progress: Progress, listen: float | None) -> list[Discovered]:
    found: list[Discovered] = []
    in_use: Link | None = None
    for prober in probers:
        for link in prober.links(port):
            if in_use is not None and not _same_settings(link, in_use):
                continue
            settings = f"{link.baudrate} baud {link.bytesize}{link.parity}{link.stopbits}"
            progress(f"{port}: probing for {prober.driver.name} at {settings}")
            responses = await prober.probe(port, link, listen)
            found += [Discovered(port, prober.driver.name, response) for response in responses]
            in_use = link if responses else in_use
            if any(response.address is None for response in responses):
                return found
    return found


def _same_settings(one: Link, other: Link) -> bool:
    return all(difference.startswith("protocol ") for difference in one.differences(other))
