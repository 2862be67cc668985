"""A simulated controller as a Modbus server, byte-accurate: register map, word order, units, exceptions.

Source: Watlow wire specification, sections 9 to 11 and 15.
"""

from collections.abc import Sequence

from riglog.errors import UnsupportedError
from riglog.model import Channel
from riglog.model.units import DEG_C, DEG_F
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError
from riglog.simulation import ModbusServer, ModbusServers, Simulator
from riglog_watlow.config import ZONE_STRIDE
from riglog_watlow.families import Facts
from riglog_watlow.modbus.registers import POINTERS as BLOCK_TYPES
from riglog_watlow.modbus.registers import decode, encode, span_of
from riglog_watlow.parameters import PM, UnitKind, WireValue
from riglog_watlow.samples import convert, kind_of
from riglog_watlow.simulator.instrument import Refusal, Refused, SimulatedController
from riglog_watlow.targets import Target

WRITES = (6, 16)
FILLER = 0
"""The second register of a parameter that needs only one."""

POINTERS = range(40, 120)
MIRRORS = range(200, 280)
"""The programmable block: a pointer holds the number of a register, whose word is then also in the mirror."""


class ControllerServer(ModbusServer):
    """The registers of one controller.

    With an ``offset`` it is one zone behind a gateway, which responds for its own registers only.

    Attributes:
        now: the time of the present request.
        registers: the target of each register, and which of its words it contains.
    """

    functions = frozenset({3, 4, 6, 8, 16})

    def __init__(
        self, controller: SimulatedController, facts: Facts, register_map: int = 1, *, offset: int | None = None
    ) -> None:
        self.controller = controller
        self.facts = facts
        self.now = 0.0
        self.offset = offset
        self.registers = layout(controller, register_map)
        self.pointers = dict.fromkeys(POINTERS, 0) if controller.family == PM else {}

    def respond(self, pdu: bytes) -> bytes:
        if self.offset is None:
            return super().respond(pdu)
        register = int.from_bytes(pdu[1:3], "big") - self.offset
        if not 0 <= register < ZONE_STRIDE:
            return b""
        reply = super().respond(pdu[:1] + register.to_bytes(2, "big") + pdu[3:])
        return reply[:1] + pdu[1:3] + reply[3:] if pdu[0] in WRITES and reply[0] == pdu[0] else reply

    def read_registers(self, function: int, start: int, count: int) -> list[int]:
        if start in self.pointers:
            return [self._pointer(register) for register in range(start, start + count)]
        try:
            wanted = [self.registers[self._pointed(register)] for register in range(start, start + count)]
        except KeyError:
            raise IllegalDataAddressError from None
        words = {target: self._words(target) for target in dict.fromkeys(target for target, _ in wanted)}
        return [words[target][word] for target, word in wanted]

    def write_registers(self, start: int, registers: Sequence[int]) -> None:
        if start in self.pointers:
            if start % 2 or len(registers) % 2 or start + len(registers) > POINTERS.stop:
                raise IllegalDataValueError  # a pointer is a pair of registers
            self.pointers.update(zip(range(start, start + len(registers)), registers, strict=True))
            return
        while registers:
            if start not in self.registers:
                raise IllegalDataAddressError
            target, word = self.registers[start]
            count = target.parameter.registers
            if word or count > len(registers):
                raise IllegalDataValueError
            self._write(target, registers[:count])
            start, registers = start + count, registers[count:]

    def _pointer(self, register: int) -> int:
        if register not in self.pointers:
            raise IllegalDataAddressError
        return self.pointers[register]

    def _pointed(self, register: int) -> int:
        """Return the register that a mirror shows; any other is itself."""
        return (
            self.pointers[register - MIRRORS.start + POINTERS.start]
            if self.pointers and register in MIRRORS
            else register
        )

    def _words(self, target: Target) -> list[int]:
        """Return the words of a value, and a filler."""
        try:
            value = self._to_wire(target, self.controller.read(target, self.now))
        except Refused:
            raise IllegalDataAddressError from None
        return [*encode(target.parameter, value, low_word_first=self._low_word_first), FILLER]

    def _write(self, target: Target, words: Sequence[int]) -> None:
        value = decode(target.parameter, words, low_word_first=self._low_word_first)
        try:
            self.controller.write(target, self._from_wire(target, value), self.now)
        except Refused as refused:
            if refused.refusal is Refusal.NOT_ACCEPTED:
                raise IllegalDataValueError from None
            raise IllegalDataAddressError from None

    @property
    def _low_word_first(self) -> bool:
        return (
            "modbus_word_order" in self.controller.registry and self.controller.label("modbus_word_order") == "Low_High"
        )

    def _to_wire(self, target: Target, value: WireValue) -> WireValue:
        if isinstance(value, str) or target.parameter.unit_kind == "enumeration":
            return value
        number = float(value)
        if not self.controller.is_process_signal(target.instance):
            number = convert(number, self._kind(target), DEG_F, self.unit)
        return number * 10**self._decimals if target.parameter.decimals_register else number

    def _from_wire(self, target: Target, value: WireValue) -> WireValue:
        if isinstance(value, str) or target.parameter.unit_kind == "enumeration":
            return value
        number = value / 10**self._decimals if target.parameter.decimals_register else value
        if self.controller.is_process_signal(target.instance):
            return number
        return convert(number, self._kind(target), self.unit, DEG_F)

    @property
    def unit(self) -> str:
        """The unit in which temperatures are transmitted now."""
        return DEG_C if self.controller.label(self.facts.unit) == "C" else DEG_F

    @property
    def _decimals(self) -> int:
        return int(self.controller.stored(self.facts.decimals)) if self.facts.decimals else 0

    def _kind(self, target: Target) -> UnitKind:
        return kind_of(target.parameter, self.controller.companion_labels(target))

    def use_map(self, register_map: int) -> None:
        """Select another register map, as the data map setting does."""
        self.registers = layout(self.controller, register_map)


def layout(controller: SimulatedController, register_map: int) -> dict[int, tuple[Target, int]]:
    """Return the target of each register, and which of its words it contains."""
    registers: dict[int, tuple[Target, int]] = {}
    for target in controller.values:
        if target.parameter.data_type in BLOCK_TYPES:
            continue
        try:
            span = span_of(target, register_map)
        except UnsupportedError:
            continue
        for word in range(span.end - span.start):
            registers.setdefault(span.start + word, (target, word))
    return registers


class ModbusSimulator(Simulator):
    """One server on a bus. Several: SimulatedBus of riglog."""

    def __init__(self, protocol: str, address: int, server: ControllerServer) -> None:
        self.server = server
        self.controller = server.controller
        self._servers = ModbusServers(protocol, {address: server})

    def receive(self, data: bytes, now: float) -> bytes:
        self.controller.panel.request(now)
        self.server.now = now
        return self._servers.receive(data, now)

    def foreign(self, reply: bytes) -> bytes:
        return self._servers.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self.controller.set(name, value)

    def truth(self, channel: Channel) -> float | None:
        """Return the true value of a channel now, in the unit that is transmitted now; None if there is none."""
        return self.controller.truth(channel, self.server.unit)
