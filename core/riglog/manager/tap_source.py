"""A port that is only listened to, as a source of samples: what ``riglog tap`` does. Nothing is ever sent.

One task reads the port, so that the times of frames do not depend on what is done with their values.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import anyio

from riglog.device import Pace, check_poll
from riglog.device.tap import IDLE_SECONDS, TapLine, Tapped
from riglog.errors import ConfigError, ConnectionLostError, PortError
from riglog.manager.device_spec import DeviceSpec
from riglog.manager.port_opening import open_or_simulate, reader_of
from riglog.model import SYSTEM_CLOCK, Channel, Clock, Event, EventKind, Sample
from riglog.transport import Link, Transport
from riglog.transport.listening import open_listening

REOPEN_SECONDS = 0.5
MOST_WAITING = 100_000
"""Samples that wait to be recorded; further ones are not recorded, and counted."""

OpenPort = Callable[[str, Link], Awaitable[Transport]]


class TapSource:
    """The frames on the port of a device, and the values in them that can be recorded.

    Args:
        open_port: opens the port; default: by its name.

    Attributes:
        channels: those of which there was a value.
        on_frame: called with every frame.
        closed: False, as of every group of sources that goes on.
        dropped: samples that could not be recorded in time.

    Raises:
        ConfigError: the traffic of others cannot be listened to on this port.
    """

    pace = Pace.DEVICE
    rate_hz: float | None = None
    closed = False

    def __init__(self, spec: DeviceSpec, *, clock: Clock = SYSTEM_CLOCK, open_port: OpenPort | None = None) -> None:
        reader = reader_of(spec, clock)
        assert spec.port is not None
        if not reader.can_listen:
            raise ConfigError(
                f"protocol {spec.protocol} cannot be listened to: a connection has one client only",
                hint="Listen on the serial line behind the gateway",
                port=spec.port.name,
            )
        self.name = spec.name
        self.channels: list[Channel] = []
        self.on_frame: Callable[[Tapped], None] = lambda tapped: None
        self.dropped = 0
        self._spec = spec
        self._port = spec.port
        self._clock = clock
        if open_port is None and self._port.simulated:
            open_port = self._simulated
        self._open_port = open_port
        self._transport: Transport | None = None
        self._waiting: deque[Sequence[Sample]] = deque()
        self._number_waiting = 0
        self._arrived = anyio.Event()
        self._changed = anyio.Event()
        self._listeners: list[Callable[[Event], None]] = []

    def sources(self, names: Sequence[str] | None = None) -> Sequence["TapSource"]:
        """Return this source: as a group it may have further channels at any time."""
        return [self]

    async def changed(self) -> None:
        """Wait until there is a value of a further channel."""
        await self._changed.wait()

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` when the port is lost, and when it is restored."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def open(self) -> None:
        """Open the port.

        Raises:
            PortError: it cannot be opened.
        """
        self._transport = await open_listening(self._port.name, self._port.link, self._open_port)
        self._transport.discard_input()  # its time of arrival is not known

    async def run(self) -> None:
        """Read the port until cancelled; open it again after a loss."""
        try:
            while True:
                try:
                    await self._read()
                except ConnectionLostError as error:
                    self._report(EventKind.PORT_LOST, error.message)
                    await self._reopen()
                    self._report(EventKind.PORT_RESTORED, "connection restored")
        finally:
            await self._close()

    async def poll(self) -> Sequence[Sample]:
        """Wait for the next values that can be recorded, and return them."""
        while not self._waiting:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        samples = self._waiting.popleft()
        self._number_waiting -= len(samples)
        return samples

    async def _read(self) -> None:
        assert self._transport is not None
        reader = reader_of(self._spec, self._clock)  # a new one: what it learnt may be of another line
        line = TapLine(reader, in_order=not self._port.link.strict)
        while True:
            if line.is_incomplete:
                data = await self._transport.receive_within(IDLE_SECONDS)
            else:
                data = await self._transport.receive()
            utc_ns, monotonic_ns = self._clock.utc_ns(), self._clock.monotonic_ns()
            found = line.feed(data, utc_ns, monotonic_ns) if data else line.idle(utc_ns, monotonic_ns)
            for tapped in found:
                self.on_frame(tapped)
                self._add(tapped.samples)

    def _add(self, found: Sequence[Sample]) -> None:
        if not found:
            return
        channels = list(dict.fromkeys(sample.channel for sample in found))
        samples = check_poll(list(found), channels, self.pace, self._clock).samples
        if self._number_waiting + len(samples) > MOST_WAITING:
            self.dropped += len(samples)
            return
        if new := [channel for channel in channels if channel not in self.channels]:
            self.channels += new
            self._changed.set()
            self._changed = anyio.Event()
        self._waiting.append(samples)
        self._number_waiting += len(samples)
        self._arrived.set()

    def _report(self, kind: EventKind, message: str) -> None:
        for listener in list(self._listeners):
            listener(Event(self._clock.utc_ns(), kind, message, None, self._port.name))

    async def _reopen(self) -> None:
        await self._close()
        while True:
            await anyio.sleep(REOPEN_SECONDS)
            try:
                await self.open()
                return
            except PortError:
                continue

    async def _close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            with anyio.CancelScope(shield=True):
                await transport.aclose()

    async def _simulated(self, port: str, link: Link) -> Transport:
        return await open_or_simulate(self._spec, link)
