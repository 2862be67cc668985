"""A rig: devices by name, ports shared between them, and what happens when one of them fails."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import anyio

from riglog.acquire.selected import Choice
from riglog.device import Device, Pace
from riglog.errors import ConfigError, DeviceError, PortError, ProtocolError, RiglogError, describe, error_context
from riglog.log import get_logger
from riglog.manager import concurrent
from riglog.manager.acceptance import acceptance
from riglog.manager.arguments import device_table
from riglog.manager.device_spec import DeviceSpec, PortSpec, check_compatible, resolve_device
from riglog.manager.direct_session import DirectSession
from riglog.manager.managed_device import ManagedDevice, Report, poll_error
from riglog.manager.port_session import Opener, PortSession
from riglog.manager.rate_group import RateGroup
from riglog.manager.session import Session
from riglog.manager.stand_in import StandIn
from riglog.manager.time_limit import OPEN_SECONDS, within
from riglog.manager.typed_drivers import MadeDevice, MakesDevice, OpensDevice, ReadyDevice
from riglog.model import (
    SYSTEM_CLOCK,
    Channel,
    Clock,
    DeviceResult,
    ErrorPolicy,
    Event,
    EventKind,
    ParameterWrite,
    Sample,
    storable,
    this_actor,
)
from riglog.model.actor import checked_reason, present_reason
from riglog.plugin import AnyDriver, DirectDriver, Driver, Registry, installed
from riglog.plugin.guard import bugs_as, is_a
from riglog.plugin.names import mistakes_in
from riglog.protocol.wire_log import WireLog, keep_in_all
from riglog.transport import Transport, open_transport

if TYPE_CHECKING:
    from riglog.manager.simulated_port import SimulatedPort

log = get_logger("riglog.manager")

T = TypeVar("T")
Request = TypeVar("Request")
Listener = Callable[[Event], None]

WARNINGS = frozenset(
    {
        EventKind.PORT_LOST,
        EventKind.DEVICE_ABSENT,
        EventKind.DEVICE_NOT_RESPONDING,
        EventKind.WRONG_INSTRUMENT,
        EventKind.IDENTITY_UNCONFIRMED,
        EventKind.DRIVER_FAILED,
    }
)

ABSENT = (PortError, ProtocolError, DeviceError)
"""Errors of an instrument that is not there, or not the one that is configured. It may be there later."""


def _canonical_name(spec: DeviceSpec, name: str) -> str | None:
    """Return the name under which the driver of a device records a parameter."""
    with bugs_as(ConfigError, spec.driver, "canonical_name()"):
        return spec.driver.canonical_name(spec.config, name)


class Manager:
    """Opens devices, shares ports between them, and polls all of them as one source.

    Use it as an async context manager. The devices of one port are polled in turn; ports do not wait for each other.

    Args:
        error_policy: what ``poll_each`` and ``execute`` do with a device that fails.
        registry: the drivers; default: those of the installed plugins.
        clock: the clock of the rig, for all stamps.
        wire_logs: keep every transaction of its ports.
        read_only: every call that would change an instrument is refused, with a WriteRefusedError.
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
        wire_logs: Sequence[WireLog] = (),
        read_only: bool = False,
    ) -> None:
        self.read_only = read_only
        self._wire_logs = wire_logs
        self.error_policy = error_policy
        self.closed = False
        self._registry = registry
        self._clock = clock
        self._sessions: dict[str, Session] = {}  # by key
        self._session_of: dict[str, Session] = {}  # by device name, in the order of adding
        self._simulated: dict[str, SimulatedPort] = {}
        self._identities: dict[str, str] = {}  # that a device must have, by name, also of a removed device
        self._listeners: list[Listener] = []
        self._change_lock = anyio.Lock()
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        return f"<Manager: {', '.join(self.names) or 'no devices'}{', closed' if self.closed else ''}>"

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

    @overload
    async def add(
        self,
        name: str,
        source: str | Transport | None = None,
        *,
        driver: MakesDevice[MadeDevice],
        absent_ok: bool = False,
        **options: Any,
    ) -> MadeDevice: ...
    @overload
    async def add(
        self, name: str, *, driver: OpensDevice[MadeDevice], absent_ok: bool = False, **options: Any
    ) -> MadeDevice: ...
    @overload
    async def add(self, name: str, source: ReadyDevice) -> ReadyDevice: ...
    @overload
    async def add(
        self,
        name: str,
        source: str | Transport | None = None,
        *,
        driver: str,
        absent_ok: bool = False,
        **options: Any,
    ) -> Device: ...
    async def add(
        self,
        name: str,
        source: Any = None,
        *,
        driver: Any = None,
        absent_ok: bool = False,
        **options: Any,
    ) -> Any:
        """Open a device and add it to the rig.

        Args:
            source: a port name (the port is opened, and shared with other devices on it), a Transport (used, not
                closed), a Device that is ready (polled, not closed), or None for a driver without a port.
            driver: the name of the driver that opens it, or the driver itself (``WatlowDriver()``): then a type checker
                knows the class of the device. Not needed for a ready Device.
            absent_ok: add the device also if it cannot be opened now. It is then in ``absent``, its slots are
                skipped, and it is opened as soon as its instrument responds.
            options: the keys of a ``[[device]]`` table, except name, driver and port. Enumerations may stand for words,
                and ``serial_settings`` (a mapping, or an object with these attributes) for the serial settings.

        Returns:
            The device. For an absent one without a port, ``get`` returns another object once it has been opened.

        Raises:
            ConfigError: a duplicate name, an unknown driver or key, a port or address that cannot be shared; nothing
                was opened.
            PortError, ProtocolError, DeviceError: it cannot be opened; everything is as it was before. Not with
                ``absent_ok``.
        """
        if isinstance(source, Device):
            return await self._add_ready(name, source)
        transport = source if isinstance(source, Transport) else None
        port = source.port if isinstance(source, Transport) else source
        table = device_table(name, driver, port, options)
        key = None if transport is None else f"handed in {id(transport)}"
        found = driver if isinstance(driver, AnyDriver) else None
        try:
            spec = resolve_device(self._registry or installed(), table, key=key, driver=found)
        except ExceptionGroup as mistakes:  # a caller expects a ConfigError, however many there are
            first, *others = mistakes_in(mistakes)
            for other in others:
                first.add_note(f"{other}. {other.hint or ''}".rstrip())
            raise first from None
        return await self.add_spec(spec, transport=transport, absent_ok=absent_ok)

    async def add_spec(
        self, spec: DeviceSpec, *, transport: Transport | None = None, absent_ok: bool = False
    ) -> Device:
        """``add`` for a configuration that has been resolved already."""
        async with self._change_lock:
            with error_context(device=spec.name, port=spec.port_name):
                self._refuse_name(spec.name)
                if spec.port is None:
                    return await self._add_direct(spec, absent_ok=absent_ok)
                return await self._add_on_port(spec, spec.port, transport, absent_ok=absent_ok)

    async def remove(self, name: str) -> None:
        """Remove a device from the rig; its port is closed with its last device.

        Raises:
            ConfigError: there is no such device.
        """
        async with self._change_lock:
            await self._remove(name)

    async def close(self) -> None:
        """Remove every device, connections concurrently. A device that does not close in time keeps no other one open.

        Raises:
            ExceptionGroup: all errors on the way; everything was closed nevertheless.
        """
        self.closed = True
        problems: list[Exception] = []

        async def close(session: Session) -> None:
            for name in list(reversed(session.devices)):
                try:
                    await self._remove(name)
                except Exception as error:
                    problems.append(error)

        with anyio.CancelScope(shield=True):  # a rig that is cancelled leaves no port open
            async with self._change_lock, anyio.create_task_group() as tasks:
                for session in list(reversed(self._sessions.values())):
                    tasks.start_soon(close, session)
            self._notify()
        if problems:
            raise ExceptionGroup("errors while closing the rig", problems)

    async def _add_on_port(
        self, spec: DeviceSpec, port: PortSpec, transport: Transport | None, *, absent_ok: bool
    ) -> Device:
        session = self._sessions.get(port.key)
        if isinstance(session, PortSession):
            others = {managed.name: managed.address for managed in session.devices.values()}
            check_compatible(spec, PortSpec(session.name, session.key, session.link, session.factory), others)
            return await self._open_on_port(session, spec, absent_ok=absent_ok)
        session = self._new_port_session(port, transport)
        try:
            with bugs_as(DeviceError, spec.driver, "connect()"):
                try:
                    await session.open()
                except PortError as error:
                    if not absent_ok:
                        raise
                    session.begin_lost(error)
            return await self._open_on_port(session, spec, absent_ok=absent_ok)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await session.aclose()
            raise

    def _new_port_session(self, port: PortSpec, transport: Transport | None) -> PortSession:
        opener: Opener
        if transport is not None:
            opener = partial(_given, transport)
        elif port.simulated:
            from riglog.manager.simulated_port import SimulatedPort  # not at the top: it needs what simulates

            opener = self._simulated.setdefault(port.key, SimulatedPort(port.name)).open
        else:
            opener = partial(open_transport, port.name, port.link)
        report = self._reporter(port.name)
        keep = keep_in_all([log.keep_of(port.name) for log in self._wire_logs])
        return PortSession(
            port.key,
            port.name,
            port.link,
            port.factory,
            opener,
            report,
            self._clock,
            owned=transport is None,
            keep=keep,
            read_only=self.read_only,
        )

    async def _open_on_port(self, session: PortSession, spec: DeviceSpec, *, absent_ok: bool) -> Device:
        """Open a device on a port that is open, or will be."""
        driver = spec.driver
        assert isinstance(driver, Driver)
        client = session.client.with_timeout(spec.config.timeout)
        with bugs_as(DeviceError, driver, "device()"):
            device = is_a(Device, driver.device(spec.config, client, spec.context(self._clock)))
        if spec.port is not None and spec.port.simulated:
            self._simulated[session.key].connect(spec.simulator(), spec.name, session.devices)
        managed = self._managed(spec, device, session.name)
        try:
            if session.lost is not None and absent_ok:
                raise session.lost
            with bugs_as(DeviceError, driver, "open()"):
                await managed.open()
        except ABSENT as error:
            if not absent_ok:
                raise
            managed.become_absent(error)
        self._register(session, managed)
        return device

    async def _add_direct(self, spec: DeviceSpec, *, absent_ok: bool) -> Device:
        """Open a device without a port."""
        driver = spec.driver
        assert isinstance(driver, DirectDriver)
        with bugs_as(DeviceError, driver, "pace()"):
            stand_in = StandIn(driver.pace(spec.config))
        managed = self._managed(spec, stand_in, None, opener=partial(self._opened_direct, spec, driver))
        session = DirectSession(spec.key, spec.name, self._reporter(spec.name), self._clock, owned=True)
        try:
            with bugs_as(DeviceError, driver, "open()"):
                await managed.open()
        except ABSENT as error:
            if not absent_ok:
                raise
            session.begin_lost(error)
            managed.become_absent(error)
        self._register(session, managed)
        return managed.device

    async def _opened_direct(self, spec: DeviceSpec, driver: DirectDriver[Any]) -> Device:
        """Return the device that the driver opened."""
        with bugs_as(DeviceError, driver, "open()"):
            opened = driver.open(spec.config, spec.context(self._clock))
            device = is_a(Device, await within(OPEN_SECONDS, opened, "open()"))
        return _prepared(spec, device)

    async def _add_ready(self, name: str, device: Device) -> Device:
        """Track a device that the caller has opened, and will close."""
        async with self._change_lock:
            self._refuse_name(name)
            if device.name != name:
                raise ConfigError(
                    f"name mismatch: the device object is named {device.name!r}",
                    hint="Add it under the name of the device object",
                    device=name,
                )
            session = DirectSession(f"ready {id(device)}", name, self._reporter(None), self._clock, owned=False)
            managed = ManagedDevice(device, self._reporter(None), self._clock)
            managed.identity.expected = self._identities.get(name)
            managed.accept_channels()
            try:
                await managed.learn_identity()
            except Exception as error:  # its first poll reports what is wrong with it
                log.debug("%s: identity not read: %s", name, describe(error))
                managed.identity.confirmed = managed.identity.expected is None
            self._register(session, managed)
            return device

    def _managed(
        self,
        spec: DeviceSpec,
        device: Device,
        port: str | None,
        *,
        opener: Callable[[], Awaitable[Device]] | None = None,
    ) -> ManagedDevice:
        managed = ManagedDevice(
            _prepared(spec, device),
            self._reporter(port),
            self._clock,
            address=spec.address,
            parameters=spec.parameters,
            canonical_name=partial(_canonical_name, spec),
            identity_check=spec.config.identity_check,
            opener=opener,
            on_present=self._notify,
        )
        managed.identity.expected = self._identities.get(spec.name)
        return managed

    def _register(self, session: Session, managed: ManagedDevice) -> None:
        self._sessions[session.key] = session
        session.devices[managed.name] = managed
        self._session_of[managed.name] = session
        port = session.name if isinstance(session, PortSession) else None
        managed.device.on_change = partial(self._changed_instrument, managed.name, port)
        managed.device.read_only = self.read_only
        log.info("%s: device added", managed.name)
        self._notify()

    async def _remove(self, name: str) -> None:
        managed, session = self._managed_device(name), self._session_of.pop(name)
        if managed.identity.expected is not None:
            self._identities[name] = managed.identity.expected
        del session.devices[name]
        if not session.devices:
            del self._sessions[session.key]
        managed.device.on_change = None
        log.info("%s: device removed", name)
        self._notify()
        try:
            if session.owns_devices:
                await managed.aclose()
        finally:
            if not session.devices:
                with anyio.CancelScope(shield=True):
                    await session.aclose()

    # --- looking at it

    @property
    def names(self) -> list[str]:
        """The names of the devices, in the order in which they were added."""
        return list(self._session_of)

    def get(self, name: str) -> Device:
        """Return a device by its name.

        Raises:
            ConfigError: there is no such device.
        """
        return self._managed_device(name).device

    def port(self, port: str) -> PortSession:
        """Return the session of an open port, by its key (its canonical name).

        Raises:
            ConfigError: no device of the rig uses this port.
        """
        session = self._sessions.get(port)
        if not isinstance(session, PortSession):
            known = ", ".join(key for key, other in self._sessions.items() if isinstance(other, PortSession))
            raise ConfigError(f"no device uses the port {port!r}", hint=f"Ports of this rig: {known or 'none'}")
        return session

    @property
    def channels(self) -> list[Channel]:
        return [channel for name in self.names for channel in self._managed_device(name).channels]

    @property
    def absent(self) -> dict[str, RiglogError]:
        """The devices that have not been opened yet, by name, and the error of the last attempt; see ``add``."""
        found = {name: self._managed_device(name).absence for name in self.names}
        return {name: absence.error for name, absence in found.items() if absence is not None}

    def report_absences(self) -> None:
        """Report each absent device as an event. A recorder calls it at the start of a run."""
        for name in self.absent:
            self._managed_device(name).report_absence()

    @property
    def identities(self) -> dict[str, str]:
        """The identity that each device must have, by name; without those that have none."""
        known = {name: self._managed_device(name).identity.expected for name in self.names}
        return {name: identity for name, identity in known.items() if identity is not None}

    def expect_identities(self, identities: Mapping[str, str]) -> None:
        """Expect these identities, by device name, of the devices that are added from now on: those of a run.

        A device with another identity is added, and an event is reported, but its values are not recorded.
        """
        self._identities |= identities

    async def accept_identity(self, name: str, *, reason: str | None = None) -> None:
        """Accept the instrument that is connected now in place of the one before. It is an event.

        The rows of a run belong to one instrument: begin a new run after it. ``reason``: why it was replaced.

        Raises:
            ConfigError: there is no such device, or ``reason`` is empty or too long; nothing was sent.
            PortError, ProtocolError, DeviceError: no identity was received; nothing is accepted.
        """
        reason = checked_reason(reason)
        managed = self._managed_device(name)
        old = managed.identity.expected
        with error_context(device=name):
            if managed.absence is not None:
                raise DeviceError(f"device absent: {managed.absence.reason}")
            new = await managed.accept_identity()
        self._identities.pop(name, None)
        self._publish(acceptance(name, old, new, self._clock, reason))
        self._notify()

    def sources(self, names: Sequence[str] | None = None) -> Sequence[RateGroup]:
        """Return one source per session, rate and pace. ``names``: only these devices."""
        only = None if names is None else tuple(names)
        found: dict[RateGroup, None] = {}
        for session in self._sessions.values():
            for managed in session.devices.values():
                if only is None or managed.name in only:
                    found.setdefault(RateGroup(session, managed.rate_hz, managed.pace, only))
        return list(found)

    async def changed(self) -> None:
        """Wait until a device is added or removed."""
        await self._changed.wait()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every event: lost and restored connections, devices not responding, writes.

        Returns:
            A function that ends it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- using it

    async def poll(
        self,
        names: Sequence[str] | None = None,
        *,
        parameters: Sequence[str] | None = None,
        instances: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Return one sample per channel: ports concurrently, the devices of one port in turn.

        Args:
            names: only these devices.
            parameters, instances: only the channels with these names (``level``, ``level[2]``) and instance numbers.

        Raises:
            ConfigError: a device that is not in the rig, or a parameter or instance that none has; nothing was read.
        """
        polled = await self._poll(names, Choice.of(parameters, instances))
        return [sample for samples in polled.values() for sample in samples]

    async def poll_each(
        self,
        names: Sequence[str] | None = None,
        *,
        parameters: Sequence[str] | None = None,
        instances: Sequence[int] | None = None,
    ) -> dict[str, DeviceResult[Sequence[Sample]]]:
        """Poll, with one result per device: its samples, and the error of a device that gave no value at all.

        Args:
            names, parameters, instances: as for ``poll``.

        Raises:
            ConfigError: as ``poll``; nothing was read.
            ExceptionGroup: under ErrorPolicy.RAISE, the errors, after all devices are done.
        """
        results: dict[str, DeviceResult[Sequence[Sample]]] = {
            name: DeviceResult(name, samples, poll_error(name, samples), self._protocol(name))
            for name, samples in (await self._poll(names, Choice.of(parameters, instances))).items()
        }
        concurrent.raise_failures(results, self.error_policy)
        return results

    async def _poll(self, names: Sequence[str] | None, choice: Choice) -> dict[str, list[Sample]]:
        chosen = self._chosen(names)
        choice = choice.renamed(lambda parameters: self._canonical_names(parameters, chosen))
        choice.refuse_unknown([channel for name in chosen for channel in self._managed_device(name).channels])
        samples: dict[str, list[Sample]] = {name: [] for name in chosen}

        async def poll_session(session: Session) -> None:
            devices = [managed for managed in session.devices.values() if managed.name in samples]
            for sample in await session.poll(devices):
                if choice.has(sample.channel):
                    samples[sample.device].append(sample)

        async with anyio.create_task_group() as tasks:
            for session in {self._session_of[name].key: self._session_of[name] for name in chosen}.values():
                tasks.start_soon(poll_session, session)
        return samples

    def canonical_names(self, parameters: Sequence[str]) -> Sequence[str]:
        """Return the names under which parameters are recorded, for names that people use: ``pv`` is ``process_value``.

        Raises:
            ConfigError: a name that can mean several parameters of a device.
        """
        return self._canonical_names(parameters, self.names)

    def _canonical_names(self, parameters: Sequence[str], devices: Iterable[str]) -> list[str]:
        found: list[str] = []
        managed = [self._managed_device(name) for name in devices]
        for parameter in parameters:
            name, bracket, instance = parameter.partition("[")
            if any(name == channel.parameter for device in managed for channel in device.channels):
                found.append(parameter)
                continue
            known = {each: None for device in managed if (each := device.canonical_name(name)) is not None}
            found += [f"{each}{bracket}{instance}" for each in known] or [parameter]
        return found

    def _chosen(self, names: Sequence[str] | None) -> list[str]:
        """Return the names of the chosen devices, in the order of adding.

        Raises:
            ConfigError: a name that is not in the rig.
        """
        for name in names or ():
            if name not in self._session_of and any(channel.parameter == name for channel in self.channels):
                hint = f"It is a parameter: write parameters=[{name!r}]"
                raise ConfigError(f"unknown device {name!r}", hint=hint)
            self._managed_device(name)
        return [name for name in self._session_of if names is None or name in names]

    async def execute_each(
        self, operation: Callable[[Device], Awaitable[T]], names: Sequence[str] | None = None
    ) -> dict[str, DeviceResult[T]]:
        """Perform the same operation on several devices, ports concurrently.

        Raises:
            ConfigError: a name that is not in the rig; nothing was done.
            ExceptionGroup: under ErrorPolicy.RAISE, all failures, after all devices are done.
        """
        chosen = self.names if names is None else names
        return await self.execute(lambda device, _: operation(device), dict.fromkeys(chosen))

    async def execute(
        self, operation: Callable[[Device, Request], Awaitable[T]], requests: Mapping[str, Request]
    ) -> dict[str, DeviceResult[T]]:
        """Perform an operation on several devices, each with its own request; one result per device.

        Raises:
            ConfigError: a name that is not in the rig; nothing was done.
            ExceptionGroup: under ErrorPolicy.RAISE, all failures, after all devices are done.
        """
        devices = {name: self._managed_device(name).device for name in requests}
        protocols = {name: self._protocol(name) for name in requests}
        return await concurrent.execute(devices, operation, requests, self.error_policy, protocols)

    def _protocol(self, name: str) -> str | None:
        return next((channel.protocol for channel in self._managed_device(name).channels), None)

    def _managed_device(self, name: str) -> ManagedDevice:
        if name not in self._session_of:
            hint = f"Devices of this rig: {', '.join(self._session_of) or 'none'}"
            raise ConfigError(f"unknown device {name!r}", hint=hint)
        return self._session_of[name].devices[name]

    def _refuse_name(self, name: str) -> None:
        if self.closed:
            raise ConfigError("the rig is closed", device=name)
        if name in self._session_of:
            hint = "Give every device a unique name"
            raise ConfigError(f"duplicate device name {name!r}", hint=hint, device=name)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _reporter(self, port: str | None) -> Report:
        return lambda kind, message, device: self._report(kind, message, device, port)

    def _report(self, kind: EventKind, message: str, device: str | None, port: str | None) -> None:
        message = storable(message)
        where = device or port or self.name
        write = log.warning if kind in WARNINGS else log.info
        write("%s: %s: %s", where, kind.value, message)
        self._publish(Event(self._clock.utc_ns(), kind, message, device, port))

    def _changed_instrument(self, device: str, port: str | None, what: str, write: ParameterWrite) -> None:
        before = "" if write.old_value is None else f" (before: {write.old_value})"
        message = storable(what + before)
        log.info("%s: %s: %s", device, EventKind.WRITE.value, message)
        self._publish(
            Event(
                self._clock.utc_ns(),
                EventKind.WRITE,
                message,
                device,
                port,
                detail=write,
                actor=this_actor(),
                reason=present_reason(),
            )
        )

    def _publish(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(event)


async def _given(transport: Transport) -> Transport:
    return transport


def _prepared(spec: DeviceSpec, device: Device) -> Device:
    """Return a device with what the configuration gives it."""
    device.name = spec.name
    device.rate_hz = spec.config.rate_hz or device.rate_hz
    return device
