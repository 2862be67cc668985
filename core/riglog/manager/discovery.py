"""Finds instruments: every driver probes every port, by reading only."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import anyio
from msgspec import Struct
from msgspec.structs import replace

from riglog.device import is_plugin_fault
from riglog.errors import ConnectionLostError, DeviceError, PortError, PortSettingsError, describe
from riglog.manager.echo_watch import EchoWatch
from riglog.manager.time_limit import CLOSE_SECONDS
from riglog.model import SYSTEM_CLOCK, Clock, DeviceResult
from riglog.plugin import AnyDriver, Driver, Found
from riglog.plugin.guard import each_is
from riglog.protocol import Connection
from riglog.transport import Link, Transport, open_transport

PROBE_SECONDS = 120.0
"""For one probe of a driver at one setting of the port, besides the time to listen."""

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
    note: Progress = lambda text: None,
    clock: Clock = SYSTEM_CLOCK,
) -> tuple[list[Discovered], list[DeviceResult[None]]]:
    """Probe the ports concurrently, each with every link of every driver: first the usual link
    of every driver, then the others in turn.

    After an instrument has responded on a port, only links with the same settings are tried on it; after one was found
    that needs the port for itself, none.

    Args:
        listen: seconds to listen for instruments in continuous output mode, if longer than the usual time.
        progress: called before every step.
        note: called with what limits the result of a port: a setting that it refuses, an echo.

    Returns:
        The instruments found, and the error of each port that could not be opened, and of each driver that failed
        (``device`` is the name of the port).
    """
    found: list[Discovered] = []
    errors: list[DeviceResult[None]] = []
    probers = [_Prober(driver, clock) for driver in drivers if isinstance(driver, Driver)]

    async def probe_port(port: str) -> None:
        try:
            found.extend(await _PortScan(port, probers, progress, note, listen).run())
        except PortError as error:
            errors.append(DeviceResult.failure(port, error))

    async with anyio.create_task_group() as tasks:
        for port in ports:
            tasks.start_soon(probe_port, port)
    errors += [DeviceResult.failure(prober.port, prober.error) for prober in probers if prober.error is not None]
    return sorted(found, key=lambda one: (one.port, one.driver, str(one.found.address))), errors


class _Prober:
    """A driver as discovery uses it: a bug in it ends its own probing only, and is reported once."""

    def __init__(self, driver: AnyPortDriver, clock: Clock) -> None:
        self.driver = driver
        self.clock = clock
        self.error: DeviceError | None = None
        self.port = ""

    def links(self, port: str) -> Sequence[Link]:
        if self.error is not None:
            return ()
        try:
            return each_is(Link, self.driver.links_to_probe())
        except BaseException as error:
            return self._failed(error, port)

    async def probe(self, port: str, transport: Transport, link: Link, listen: float | None) -> Sequence[Found]:
        """Return what responds on a port that was opened with this link."""
        seconds = PROBE_SECONDS + (listen or 0.0)
        try:
            with anyio.move_on_after(seconds):
                connection = Connection(transport, link, self.clock)
                return each_is(Found, await self.driver.probe(connection, listen=listen))
            raise TimeoutError(f"probe() did not return within {seconds:g} s")
        except ConnectionLostError:
            return ()
        except PortError:
            raise
        except BaseException as error:
            return self._failed(error, port)

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


class _PortScan:
    """All drivers on one port, one after the other, each with its links."""

    def __init__(
        self, port: str, probers: Sequence[_Prober], progress: Progress, note: Progress, listen: float | None
    ) -> None:
        self.port = port
        self.probers = probers
        self._progress = progress
        self._note = note
        self._listen = listen
        self._in_use: Link | None = None  # the settings with which an instrument responded
        self._opened = False
        self._refused: dict[str, PortSettingsError] = {}  # by setting
        self._echoes = False

    async def run(self) -> list[Discovered]:
        """Return the instruments found.

        Raises:
            PortError: the port cannot be opened, with whatever settings.
        """
        found: list[Discovered] = []
        for prober, link, protocol in self._attempts():
            responses = await self._probe(prober, link, protocol)
            found += [Discovered(self.port, prober.driver.name, response) for response in responses]
            if any(response.address is None for response in responses):
                return found
        if self._refused and not self._opened:
            raise next(iter(self._refused.values()))
        if self._echoes and not found:
            self._note(
                f"{self.port}: the bytes received are those that were sent, and no instrument responded; "
                "set echo = true if the adapter returns them"
            )
        return found

    def _attempts(self) -> list[tuple[_Prober, Link, str]]:
        """Return what to try, the first link of every driver before the second of any: a driver names the usual first.

        The protocol is named where a driver has several.
        """
        links = [(prober, list(prober.links(self.port))) for prober in self.probers]
        named = {id(prober): len({link.protocol for link in each}) > 1 for prober, each in links}
        turns = zip_longest(*([(prober, link) for link in each] for prober, each in links))
        return [
            (prober, link, f" ({link.protocol})" if named[id(prober)] else "")
            for turn in turns
            for prober, link in filter(None, turn)
        ]

    async def _probe(self, prober: _Prober, link: Link, protocol: str) -> Sequence[Found]:
        """Return what responds to a driver with one setting of the port."""
        settings = f"{link.baudrate} baud {link.bytesize}{link.parity}{link.stopbits}"
        other_settings = self._in_use is not None and not _same_settings(link, self._in_use)
        if settings in self._refused or other_settings or prober.error is not None:
            return ()
        self._progress(f"{self.port}: probing for {prober.driver.name}{protocol} at {settings}")
        try:
            watch = EchoWatch(await open_transport(self.port, link))
        except PortSettingsError as error:
            self._refused[settings] = error
            self._note(f"{self.port}: not probed at {settings}: {error.message}")
            return ()
        self._opened = True
        try:
            responses = await prober.probe(self.port, watch, link, self._listen)
        finally:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await watch.aclose()
        if responses:
            self._in_use = link
        self._echoes |= watch.echoes
        if watch.echoes:
            responses = [replace(one, settings=one.settings | {"echo": True}) for one in responses]
        return responses


def _same_settings(one: Link, other: Link) -> bool:
    return all(difference.startswith("protocol ") for difference in one.differences(other))
