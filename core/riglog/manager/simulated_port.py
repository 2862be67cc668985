"""Ports named ``sim:…``: the simulators of the drivers, on one line for all devices of that port name."""

from collections.abc import Container

from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport, Simulator
from riglog.transport import Transport


class SimulatedPort:
    """One simulated line. It stays when the port is closed and opened again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._simulators: dict[str, Simulator] = {}
        self._bus = SimulatedBus()
        self._wire = FaultyWire(self._bus)

    def connect(self, simulator: Simulator, device: str, others: Container[str]) -> None:
        """Connect the simulator of a device; only those of the ``others`` on the line stay."""
        self._simulators = {name: other for name, other in self._simulators.items() if name in others}
        self._simulators[device] = simulator
        self._bus.simulators = list(self._simulators.values())

    async def open(self) -> Transport:
        transport = SimulatedTransport(self._wire, port=self.name)
        transport.may_have_uart = False
        return transport
