"""A line with a simulated master and simulated instruments, for who wants to listen: ``simulate --master``."""

from collections.abc import Callable, Sequence

import anyio

from riglog.device import PortDevice
from riglog.errors import RiglogError
from riglog.manager.device_spec import DeviceSpec
from riglog.model import SYSTEM_CLOCK
from riglog.plugin import Driver
from riglog.protocol import Connection
from riglog.simulation import Arrivals, SimulatedPeer, SimulatedTransport


class OverheardLine(SimulatedPeer):
    """A line as a third one sees it: whatever the master and the instruments send. What the third one sends is lost.

    ``on_output`` is called when there is something to see.
    """

    def __init__(self, line: SimulatedPeer) -> None:
        self.master = _Copied(line, self._add)
        self.on_output: Callable[[], None] = lambda: None
        self._seen = Arrivals()

    def send(self, data: bytes, now: float) -> None:
        """Nothing is received: the line belongs to the master."""

    def take(self, now: float) -> bytes:
        return self._seen.take(now)

    def next_due(self, now: float) -> float | None:
        return self._seen.next_due()

    def _add(self, data: bytes, now: float) -> None:
        self._seen.add([(now, data)])
        self.on_output()


class _Copied(SimulatedPeer):
    """The end of the line at which the master is: everything is copied in both directions."""

    def __init__(self, line: SimulatedPeer, copy: Callable[[bytes, float], None]) -> None:
        self._line = line
        self._copy = copy

    def send(self, data: bytes, now: float) -> None:
        self._copy(data, now)
        self._line.send(data, now)

    def take(self, now: float) -> bytes:
        data = self._line.take(now)
        if data:
            self._copy(data, now)
        return data

    def next_due(self, now: float) -> float | None:
        return self._line.next_due(now)


async def poll_as_master(specs: Sequence[DeviceSpec], line: OverheardLine, rate_hz: float) -> None:
    """Poll devices of one port on a line until cancelled, as their driver does."""
    assert specs[0].port is not None
    transport = SimulatedTransport(line.master)
    client = specs[0].port.factory(Connection(transport, specs[0].port.link, SYSTEM_CLOCK))
    devices: list[PortDevice] = []  # type: ignore[type-arg]
    for spec in specs:
        driver = spec.driver
        assert isinstance(driver, Driver)
        devices.append(driver.device(spec.config, client, spec.context(SYSTEM_CLOCK)))
    opened: set[str] = set()
    while True:
        next_poll = anyio.current_time() + 1 / rate_hz
        for device in devices:
            try:
                if device.name not in opened:
                    await device.open()
                    opened.add(device.name)
                await device.poll()
            except RiglogError:
                continue  # a fault was injected; the master goes on
        await anyio.sleep_until(next_poll)
