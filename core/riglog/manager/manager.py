"""A rig: devices by name, ports shared between them, and what happens when one of them fails."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

from riglog.device import Device, Pace, PollSource
from riglog.errors import ConfigError, error_context
from riglog.manager import concurrent
from riglog.manager.device_spec import DeviceSpec, SimulatedPort, check_compatible, resolve_device
from riglog.manager.managed_device import ManagedDevice
from riglog.manager.port_session import PortSession, RateGroup
from riglog.model import SYSTEM_CLOCK, Channel, Clock, DeviceResult, ErrorPolicy, Event, EventKind, Sample
from riglog.plugin import Registry, installed
from riglog.transport import Link, Transport, open_transport

T = TypeVar("T")
Request = TypeVar("Request")
Listener = Callable[[Event], None]


class Manager:
    """Opens devices, shares ports between them, and polls all of it as one source.

    Use it as an async context manager. Devices on one port take turns; ports do not wait for each other.

    Args:
        error_policy: what ``poll_each`` and ``execute`` do with a device that fails.
        registry: where drivers come from; default the plugins that are installed.
    """

    name = "rig"
    pace = Pace.HOST
    rate_hz: float | None = None

    def __init__(
        self,
        *,
        error_policy: ErrorPolicy = ErrorPolicy.RAISE,
        registry: Registry | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.error_policy = error_policy
        self.closed = False
        self._registry = registry
        self._clock = clock
        self._ports: dict[str, PortSession] = {}  # by canonical key
        self._where: dict[str, PortSession] = {}  # by device name, in the order of adding
        self._simulated: dict[str, SimulatedPort] = {}
        self._listeners: list[Listener] = []
        self._building = anyio.Lock()
        self._changed = anyio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
            return
        with suppress(Exception):  # the exception that ends the block is the one that counts
            await self.close()

    # --- building the rig

    async def add(
        self, name: str, source: str | Transport | Device, *, driver: str | None = None, **options: Any
    ) -> Device:
        """Open a device and add it to the rig.

        Args:
            source: a port name (the port is opened, and shared with other devices on it), a Transport (used, not
                closed) or a Device that is ready (polled, not closed).
            driver: which driver opens it; not needed for a ready Device.
            options: what a ``[[device]]`` of a rig file may say, besides name, driver and port.

        Raises:
            ConfigError: a name twice, an unknown driver or key, a port or address that cannot be shared; nothing was
                opened.
            PortError, ProtocolError, DeviceError: it cannot be opened; everything is as it was before.
        """
        if isinstance(source, Device):
            return await self._add_ready(name, source)
        given, port = (None, source) if isinstance(source, str) else (source, source.port)
        table = {**options, "name": name, "driver": driver or "", "port": port}
        key = None if given is None else f"handed in {id(given)}"
        return await self.add_spec(resolve_device(self._registry or installed(), table, key=key), given=given)

    async def add_spec(self, wanted: DeviceSpec, *, given: Transport | None = None) -> Device:
        """``add`` for a configuration that has been read and checked already."""
        name, key = wanted.config.name, wanted.key
        async with self._building:
            with error_context(device=name, port=wanted.config.port):
                self._refuse_name(name)
                port = self._ports.get(key)
                if port is not None:
                    check_compatible(wanted, port.link, {other.name: other.address for other in port.members.values()})
                    return await self._join(port, wanted)
                port = self._new_port(wanted, given)
                try:
                    await port.open(given)
                    port.client = wanted.driver.connect(wanted.link, port.transport)
                    port.client.clock = self._clock  # one clock for all stamps of a rig
                    return await self._join(port, wanted)
                except BaseException:
                    with anyio.CancelScope(shield=True):
                        await port.aclose()
                    raise

    async def remove(self, name: str) -> None:
        """Take a device out of the rig; its port is closed with its last device.

        Raises:
            ConfigError: there is no such device.
        """
        async with self._building:
            await self._remove(name)

    async def close(self) -> None:
        """Remove every device, the last one first.

        Raises:
            ExceptionGroup: what went wrong on the way; everything was closed all the same.
        """
        self.closed = True
        problems: list[Exception] = []
        with anyio.CancelScope(shield=True):  # a rig that is cancelled leaves no port open
            async with self._building:
                for name in reversed(self.names):
                    try:
                        await self._remove(name)
                    except Exception as error:
                        problems.append(error)
            self._notify()
        if problems:
            raise ExceptionGroup("closing the rig", problems)

    async def _add_ready(self, name: str, device: Device) -> Device:
        """Track a device that somebody else opened and will close."""
        async with self._building:
            self._refuse_name(name)
            if device.name != name:
                raise ConfigError(
                    f"the device calls itself {device.name!r}", hint="add it under that name", device=name
                )
            key = f"ready {id(device)}"
            port = PortSession(key, name, Link(protocol="ready"), None, self._teller(None), self._clock)
            self._enter(port, ManagedDevice(device, None, None, self._teller(None), self._clock))
            return device

    def _new_port(self, wanted: DeviceSpec, given: Transport | None) -> PortSession:
        name, key = wanted.config.port, wanted.key
        if given is not None:
            opener = None
        elif wanted.simulated:
            opener = self._simulated.setdefault(key, SimulatedPort(name)).open
        else:
            opener = partial(open_transport, name, wanted.link)
        return PortSession(key, name, wanted.link, opener, self._teller(name), self._clock)

    async def _join(self, port: PortSession, wanted: DeviceSpec) -> Device:
        """Open a device on a port that is open."""
        assert port.client is not None
        device = wanted.driver.device(wanted.config, port.client)
        member = ManagedDevice(device, port.client, wanted.address, self._teller(port.name), self._clock)
        if wanted.simulated:
            self._simulated[port.key].plug(wanted.driver.simulator(wanted.config), device.name, port.members)
        await member.open()
        self._enter(port, member)
        return device

    def _enter(self, port: PortSession, member: ManagedDevice) -> None:
        self._ports[port.key] = port
        port.members[member.name] = member
        self._where[member.name] = port
        member.device.on_write = lambda what: self._tell(
            EventKind.WRITE, what, member.name, None if port.client is None else port.name
        )
        self._notify()

    async def _remove(self, name: str) -> None:
        member, port = self._member(name), self._where.pop(name)
        del port.members[name]
        if not port.members:
            del self._ports[port.key]
        member.device.on_write = None
        self._notify()
        try:
            if port.client is not None:
                await member.device.aclose()
        finally:
            if not port.members:
                with anyio.CancelScope(shield=True):
                    await port.aclose()

    # --- looking at it

    @property
    def names(self) -> list[str]:
        """Device names, in the order in which they were added."""
        return list(self._where)

    def get(self, name: str) -> Device:
        """A device by name.

        Raises:
            ConfigError: there is no such device.
        """
        return self._member(name).device

    @property
    def channels(self) -> list[Channel]:
        return [channel for name in self.names for channel in self.get(name).channels]

    def sources(self) -> Sequence[PollSource]:
        """One source per port, rate and pace."""
        found: dict[tuple[str, float | None, Pace], RateGroup] = {}
        for key, port in self._ports.items():
            for member in port.members.values():
                kind = (key, member.device.rate_hz, member.device.pace)
                found.setdefault(kind, RateGroup(port, *kind[1:]))
        return list(found.values())

    async def changed(self) -> None:
        """Wait until a device is added or removed."""
        await self._changed.wait()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told of events: port lost and back, device silent and back, writes. The returned function ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- using it

    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        """One sample per channel of the rig: ports side by side, the devices of one port in turn."""
        samples: dict[str, list[Sample]] = {}

        async def poll_port(port: PortSession) -> None:
            members = [member for member in port.members.values() if names is None or member.name in names]
            for sample in await port.poll(members):
                samples.setdefault(sample.device, []).append(sample)

        async with anyio.create_task_group() as tasks:
            for port in self._ports.values():
                tasks.start_soon(poll_port, port)
        return [sample for name in self.names for sample in samples.get(name, ())]

    async def poll_each(self, names: Sequence[str] | None = None) -> dict[str, DeviceResult[list[Sample]]]:
        """Poll, one result per device."""
        return await self.execute_each(lambda device: device.poll(), names)

    async def execute_each(
        self, operation: Callable[[Device], Awaitable[T]], names: Sequence[str] | None = None
    ) -> dict[str, DeviceResult[T]]:
        """Do the same with several devices, ports side by side.

        Raises:
            ConfigError: a name that is not in the rig; nothing was done.
            ExceptionGroup: under ErrorPolicy.RAISE, what went wrong, after all of them are done.
        """
        chosen = self.names if names is None else names
        return await self.execute(lambda device, _: operation(device), dict.fromkeys(chosen))

    async def execute(
        self, operation: Callable[[Device, Request], Awaitable[T]], requests: Mapping[str, Request]
    ) -> dict[str, DeviceResult[T]]:
        """Do something with several devices, each with its own request; one result per device.

        Raises:
            ConfigError: a name that is not in the rig; nothing was done.
            ExceptionGroup: under ErrorPolicy.RAISE, what went wrong, after all of them are done.
        """
        devices = {name: self._member(name).device for name in requests}
        return await concurrent.execute(devices, operation, requests, self.error_policy)

    def _member(self, name: str) -> ManagedDevice:
        if name not in self._where:
            raise ConfigError(f"no device called {name!r}", hint=f"in the rig: {', '.join(self._where) or 'none'}")
        return self._where[name].members[name]

    def _refuse_name(self, name: str) -> None:
        if self.closed:
            raise ConfigError("the rig is closed", device=name)
        if name in self._where:
            raise ConfigError(f"the name {name!r} is taken", hint="every device needs its own name", device=name)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _teller(self, port: str | None) -> Callable[[EventKind, str, str | None], None]:
        return lambda kind, message, device: self._tell(kind, message, device, port)

    def _tell(self, kind: EventKind, message: str, device: str | None, port: str | None) -> None:
        event = Event(self._clock.utc_ns(), kind, message, device, port)
        for listener in list(self._listeners):
            listener(event)
