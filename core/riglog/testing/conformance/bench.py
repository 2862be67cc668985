"""The bench of the kit: a driver in a rig, with simulated instruments on a wire that is watched."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from riglog.device import Device, Pace, PortDevice
from riglog.errors import PortNotFoundError
from riglog.manager import DeviceSpec, Manager, resolve_device
from riglog.manager.device_spec import PortSpec
from riglog.manager.port_session import PortSession
from riglog.model import NS, Event, EventKind, Sample, Status
from riglog.plugin import Registry
from riglog.plugin.loader import load_plugins
from riglog.simulation import Simulator, TruthfulSimulator
from riglog.testing.conformance.wire import ChangeLog, KitTransport, KitWire, on_one_line
from riglog.testing.virtual_time import EPOCH_NS, LoopClock
from riglog.transport import Transport

if TYPE_CHECKING:
    from riglog.testing.conformance.subject import Subject

PORT = "/dev/riglog-conformance"
UNSOLICITED_SECONDS = 0.02
"""What is sent without a request is stamped at most this late."""
ROUNDING = 1e-6
LONGEST_POLL = 400.0
"""Seconds of virtual time after which a poll hangs."""


class KitManager(Manager):
    """A rig whose port is the wire of the bench, also when it is opened again."""

    def __init__(self, bench: "Bench", registry: Registry) -> None:
        super().__init__(registry=registry, clock=LoopClock())
        self._bench = bench

    def _new_port_session(self, port: PortSpec, transport: Transport | None) -> PortSession:
        return PortSession(
            port.key, port.name, port.link, port.factory, self._bench.open_port, self._reporter(port.name), self._clock
        )


class Bench:
    """One or two devices of a driver in a rig; ``async with`` opens them.

    Args:
        subject: what is tested.
        tables: keys of a ``[[device]]`` table, for each device.
        plugged: False: the instruments are off from the beginning.
        late: seconds of a late reply.
    """

    rig: KitManager
    transport: KitTransport

    def __init__(
        self, subject: "Subject", *tables: Mapping[str, Any], plugged: bool = True, late: float = 1.0, seed: int = 1
    ) -> None:
        self.subject = subject
        self.registry = registry_of(subject)
        self.specs = [self._spec(number, table) for number, table in enumerate(tables or ({},))]
        self.simulators: dict[str, Simulator] = {}
        if self.specs[0].port is not None:
            self.simulators = {spec.name: subject.instrument(spec.config) for spec in self.specs}
        self.wire = KitWire(
            on_one_line(self.simulators.values()) if self.simulators else _Nothing(), late=late, seed=seed
        )
        self.wire.plugged = plugged
        self.changes = ChangeLog()
        self.events: list[Event] = []
        self._connected = True
        self._stack = AsyncExitStack()

    def _spec(self, number: int, table: Mapping[str, Any]) -> DeviceSpec:
        return resolve_device(self.registry, table_of(self.subject, number, table))

    async def __aenter__(self) -> Self:
        self.rig = KitManager(self, self.registry)
        self.rig.subscribe(self.events.append)
        await self._stack.enter_async_context(self.rig)
        try:
            for spec in self.specs:
                await self.rig.add_spec(spec)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def open_port(self) -> Transport:
        """Open the port of the bench, as often as it is lost."""
        if not self._connected:
            raise PortNotFoundError("port not found", port=PORT)
        self.transport = KitTransport(self.wire, port=PORT)
        return self.transport

    # --- the devices

    @property
    def device(self) -> Device:
        return self.rig.get(self.specs[0].name)

    @property
    def port_device(self) -> PortDevice[Any]:
        device = self.device
        assert isinstance(device, PortDevice), (
            f"a driver with a port returns a PortDevice, not a {type(device).__name__}"
        )
        return device

    @property
    def paced_by_device(self) -> bool:
        return self.device.pace is Pace.DEVICE

    @property
    def timeout(self) -> float:
        """Seconds for which one reply is waited for."""
        return float(self.port_device.client.timeout)

    async def poll(self) -> list[Sample]:
        """Return the samples of one poll of all devices, as they are recorded."""
        samples: list[Sample] = []
        with anyio.fail_after(LONGEST_POLL):
            for source in self.rig.sources():
                samples += await source.poll()
        return samples

    async def polls(self, number: int, pause: float = 0.1) -> list[Sample]:
        """Return the samples of some polls."""
        samples: list[Sample] = []
        for _ in range(number):
            samples += await self.poll()
            if not self.paced_by_device:
                await anyio.sleep(pause)
        return samples

    def watch(self) -> None:
        """Note from now on which requests change the instrument."""
        self.changes.watch(self.port_device.client.codec)

    def events_of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]

    # --- what happens to the line

    def cut(self) -> None:
        """Pull the cable out."""
        self._connected = False
        self.transport.cut()

    def restore(self) -> None:
        """Put the cable back."""
        self._connected = True

    def replace_instrument(self, simulator: Simulator) -> None:
        """Connect another instrument."""
        self.wire.simulator = simulator

    # --- the truth

    @property
    def truthful(self) -> bool:
        return bool(self.simulators) and all(isinstance(one, TruthfulSimulator) for one in self.simulators.values())

    def wrong(self, samples: Sequence[Sample], unnoticed: float = 0.0) -> list[str]:
        """Return the values that the instrument did not have at the time of their stamp, one line each.

        Args:
            unnoticed: seconds by which a frame without a request may be old: nothing in it says when it was sent.
        """
        return [text for sample in samples if (text := self._wrong(sample, unnoticed)) is not None]

    def _wrong(self, sample: Sample, unnoticed: float) -> str | None:
        simulator = self.simulators.get(sample.device)
        value = sample.value
        if sample.status is not Status.OK or isinstance(value, str | bool) or value is None:
            return None
        if not isinstance(simulator, TruthfulSimulator):
            return None
        end = (sample.stamp.received_ns - EPOCH_NS) / NS
        latency = sample.stamp.latency_ns
        start = end - (UNSOLICITED_SECONDS + unnoticed if latency is None else latency / NS)
        truths = list(simulator.truths(sample.channel, start - ROUNDING, end + ROUNDING))
        if not truths or any(truth.holds(value, sample.unit) for truth in truths):
            return None
        return f"{sample.channel} at {end:.3f} s: {value!r} {sample.unit}; the instrument had {truths}"

    def knows(self, sample: Sample) -> bool:
        """Return True if the simulator knows the truth of this channel."""
        simulator, end = self.simulators.get(sample.device), (sample.stamp.received_ns - EPOCH_NS) / NS
        return isinstance(simulator, TruthfulSimulator) and simulator.truth(sample.channel, end) is not None


class _Nothing(Simulator):
    """The simulator of a device without a port."""

    def receive(self, data: bytes, now: float) -> bytes:
        return b""


def registry_of(subject: "Subject") -> Registry:
    """Return a registry with the driver alone."""
    registry = Registry(load_plugins([]))
    registry.drivers[subject.driver.name] = subject.driver
    return registry


def table_of(subject: "Subject", number: int = 0, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the ``[[device]]`` table of a device of the bench."""
    table = {"name": f"device-{number + 1}", "driver": subject.driver.name, **subject.options, **(more or {})}
    return table | ({"port": PORT} if subject.driver.protocols else {})
