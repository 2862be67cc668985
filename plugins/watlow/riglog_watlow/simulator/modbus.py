"""A controller as a Modbus slave, byte-accurate: its register map, its word order, its unit, its exceptions.

Source: Watlow wire specification, sections 9 to 11 and 15.
"""

from collections.abc import Sequence

from riglog.errors import UnsupportedError
from riglog.model.units import DEG_C, DEG_F
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError
from riglog.simulation import ModbusServer, ModbusServers, Simulator
from riglog_watlow.config import ZONE_STRIDE
from riglog_watlow.families import Facts
from riglog_watlow.meaning import convert, kind_of
from riglog_watlow.modbus.registers import decode, encode, span
from riglog_watlow.parameters import WireValue
from riglog_watlow.plan import Target
from riglog_watlow.simulator.controller import Refusal, Refused, SimulatedController

WRITES = (6, 16)
FILLER = 0
"""The second register of a parameter that needs only one."""


class ControllerSlave(ModbusServer):
    """The registers of one controller. ``now`` is the time of the request that is being answered.

    With an ``offset`` it is one zone behind a gateway, which answers for its own registers only.
    """

    functions = frozenset({3, 4, 6, 8, 16})

    def __init__(
        self, controller: SimulatedController, facts: Facts, register_map: int = 1, *, offset: int | None = None
    ) -> None:
        self.controller = controller
        self.facts = facts
        self.now = 0.0
        self.offset = offset
        self._places: dict[int, tuple[Target, int]] = {}
        for one in controller.values:
            try:
                where = span(one, register_map)
            except UnsupportedError:
                continue
            for word in range(where.end - where.start):
                self._places.setdefault(where.start + word, (one, word))

    def respond(self, pdu: bytes) -> bytes:
        if self.offset is None:
            return super().respond(pdu)
        register = int.from_bytes(pdu[1:3], "big") - self.offset
        if not 0 <= register < ZONE_STRIDE:
            return b""
        reply = super().respond(pdu[:1] + register.to_bytes(2, "big") + pdu[3:])
        return reply[:1] + pdu[1:3] + reply[3:] if pdu[0] in WRITES and reply[0] == pdu[0] else reply

    def read_registers(self, function: int, start: int, count: int) -> list[int]:
        places = [self._places.get(register) for register in range(start, start + count)]
        if None in places:
            raise IllegalDataAddressError
        words = {one: self._words(one) for one in dict.fromkeys(place[0] for place in places if place)}
        return [words[one][word] for one, word in filter(None, places)]

    def write_registers(self, start: int, registers: Sequence[int]) -> None:
        while registers:
            one, word = self._places.get(start, (None, 0))
            if one is None:
                raise IllegalDataAddressError
            count = one.parameter.registers
            if word or count > len(registers):
                raise IllegalDataValueError
            self._write(one, registers[:count])
            start, registers = start + count, registers[count:]

    def _words(self, one: Target) -> list[int]:
        """A value, and a filler where its place is longer."""
        try:
            value = self._to_wire(one, self.controller.read(one, self.now))
        except Refused:
            raise IllegalDataAddressError from None
        return [*encode(one.parameter, value, low_word_first=self._low_word_first), FILLER]

    def _write(self, one: Target, words: Sequence[int]) -> None:
        value = decode(one.parameter, words, low_word_first=self._low_word_first)
        try:
            self.controller.write(one, self._from_wire(one, value), self.now)
        except Refused as refused:
            if refused.refusal is Refusal.NOT_ACCEPTED:
                raise IllegalDataValueError from None
            raise IllegalDataAddressError from None

    @property
    def _low_word_first(self) -> bool:
        return (
            "modbus_word_order" in self.controller.registry and self.controller.word("modbus_word_order") == "Low_High"
        )

    def _to_wire(self, one: Target, value: WireValue) -> WireValue:
        if isinstance(value, str) or one.parameter.unit_kind == "enumeration":
            return value
        number = convert(value, kind_of(one.parameter, self._beside(one)), DEG_F, self._unit)
        return number * 10**self._decimals if one.parameter.decimals_register else number

    def _from_wire(self, one: Target, value: WireValue) -> WireValue:
        if isinstance(value, str) or one.parameter.unit_kind == "enumeration":
            return value
        number = value / 10**self._decimals if one.parameter.decimals_register else value
        return convert(number, kind_of(one.parameter, self._beside(one)), self._unit, DEG_F)

    @property
    def _unit(self) -> str:
        return DEG_C if self.controller.word(self.facts.unit) == "C" else DEG_F

    @property
    def _decimals(self) -> int:
        return int(self.controller.stored(self.facts.decimals)) if self.facts.decimals else 0

    def _beside(self, one: Target) -> dict[str, str]:
        """How the alarm of an alarm set point is set up."""
        if one.parameter.name not in ("alarm_high_setpoint", "alarm_low_setpoint"):
            return {}
        return {name: self.controller.word(name, one.instance) for name in ("alarm_type", "alarm_source")}


class ModbusSimulator(Simulator):
    """One slave on a line. Several: riglog's SimulatedBus."""

    def __init__(self, protocol: str, address: int, slave: ControllerSlave) -> None:
        self.slave = slave
        self.controller = slave.controller
        self._server = ModbusServers(protocol, {address: slave})

    def receive(self, data: bytes, now: float) -> bytes:
        self.slave.now = now
        return self._server.receive(data, now)

    def foreign(self, reply: bytes) -> bytes:
        return self._server.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self.controller.set(name, value)
