"""A simulated EZ-ZONE PM that can be told to use another address, baud rate, parity or protocol.

The reply to the write still comes as before; from then on the controller responds with the new settings only.
Source: Watlow wire specification, sections 9.1 and 9.9.
"""

from collections.abc import Callable

from riglog.simulation import Simulator
from riglog_watlow.families import FACTS, STDBUS_BAUDRATE
from riglog_watlow.simulator.instrument import SimulatedController
from riglog_watlow.simulator.modbus import ControllerServer, ModbusSimulator
from riglog_watlow.simulator.models import SimulatedPM
from riglog_watlow.simulator.stdbus import StdBusSimulator

SETTINGS = ("comm_protocol", "standard_bus_address", "modbus_address", "modbus_baud_rate", "modbus_parity")
PARITIES = {"None": "N", "Even": "E", "Odd": "O"}
MODBUS = "Modbus"


class CommPort:
    """How a controller communicates at present, if that was changed since it was switched on."""

    def __init__(self, controller: SimulatedController) -> None:
        self._controller = controller
        self._settings = self._stored()
        self._present: Simulator | None = None
        self._port: tuple[int | None, str | None] = (None, None)

    def note_port(self, baudrate: int | None, parity: str | None) -> None:
        """Note the settings of the port at the other end."""
        self._port = baudrate, parity

    def receive(self, data: bytes, now: float, at_first: Callable[[bytes, float], bytes]) -> bytes:
        """Return the reply with the present settings; ``at_first`` responds as long as they were not changed."""
        present = self._simulator()
        if present is None:
            return at_first(data, now)
        return present.receive(data, now) if self.is_understood else b""

    def _simulator(self) -> Simulator | None:
        """Return what responds now, with other settings than at first; None: nothing was changed."""
        settings = self._stored()
        if settings != self._settings:
            self._settings = settings
            self._present = self._made()
        return self._present

    @property
    def is_understood(self) -> bool:
        """True if the port at the other end has the settings that the controller was told to use."""
        baudrate, parity = self._port
        label = self._controller.label
        if label("comm_protocol") != MODBUS:
            return baudrate in (None, STDBUS_BAUDRATE) and parity in (None, "N")
        return baudrate in (None, int(label("modbus_baud_rate"))) and parity in (None, PARITIES[label("modbus_parity")])

    def _stored(self) -> tuple[object, ...]:
        return tuple(self._controller.stored(name) for name in SETTINGS)

    def _made(self) -> Simulator:
        stored = self._controller.stored
        if self._controller.label("comm_protocol") != MODBUS:
            assert isinstance(self._controller, SimulatedPM)
            return StdBusSimulator(int(stored("standard_bus_address")), controller=self._controller)
        server = ControllerServer(self._controller, FACTS["pm"])
        return ModbusSimulator("modbus-rtu", int(stored("modbus_address")), server)


class MovableStdBus(StdBusSimulator):
    """A controller on Standard Bus at first."""

    def __init__(self, address: int, controller: SimulatedPM) -> None:
        controller.set("standard_bus_address", str(address))
        super().__init__(address, controller=controller)
        self.comm = CommPort(controller)

    def receive(self, data: bytes, now: float) -> bytes:
        return self.comm.receive(data, now, super().receive)

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        self.comm.note_port(baudrate, parity)


class MovableModbus(ModbusSimulator):
    """A controller on Modbus at first."""

    def __init__(self, protocol: str, address: int, server: ControllerServer, baudrate: int, parity: str) -> None:
        controller = server.controller
        names = {letter: label for label, letter in PARITIES.items()}
        controller.set("comm_protocol", MODBUS)
        controller.set("modbus_address", str(address))
        for name, label in (("modbus_baud_rate", str(baudrate)), ("modbus_parity", names.get(parity, ""))):
            if label in controller.registry.find(name).enum.values():
                controller.set(name, label)
        super().__init__(protocol, address, server)
        self.comm = CommPort(controller)

    def receive(self, data: bytes, now: float) -> bytes:
        return self.comm.receive(data, now, super().receive)

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        self.comm.note_port(baudrate, parity)
