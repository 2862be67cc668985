"""A simulated instrument as a Modbus server: exactly the registers of its file, and no others."""

from collections.abc import Iterator, Sequence

from riglog.instrument import Description, SimulatedInstrument
from riglog.model import Channel
from riglog.protocol.modbus import IllegalDataAddressError, IllegalDataValueError
from riglog.simulation import ModbusServer, ModbusServers, Truth, TruthfulSimulator
from riglog_modbus.description import ModbusFormat
from riglog_modbus.samples import Register, bounds, decode, encode

LOOPBACK = 8
WRITES = {1: (5, 15), 3: (6, 16)}


class RegisterServer(ModbusServer):
    """The registers of an instrument file; an address that it does not have is refused.

    Attributes:
        reads: every register and bit that was requested, by function.
    """

    def __init__(self, description: Description[Register], instrument: SimulatedInstrument, largest: int) -> None:
        self.instrument = instrument
        self.largest = largest
        self.reads: set[tuple[int, int]] = set()
        self._registers = description.quantities
        self._places: dict[tuple[int, int], tuple[str, int]] = {}
        for name, register in self._registers.items():
            for part in range(register.size):
                self._places.setdefault((register.function, register.start + part), (name, part))
        tables = {function for function, _ in self._places}
        self.functions = frozenset({LOOPBACK, *tables, *(one for table in tables for one in WRITES.get(table, ()))})

    def read_bits(self, function: int, start: int, count: int) -> Sequence[bool]:
        return [bool(part) for part in self._content(function, start, count)]

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        if count > self.largest:
            raise IllegalDataValueError
        return self._content(function, start, count)

    def write_bits(self, start: int, bits: Sequence[bool]) -> None:
        for at, bit in enumerate(bits, start):
            self._store(1, at, [bit])

    def write_registers(self, start: int, registers: Sequence[int]) -> None:
        while registers:
            used = self._store(3, start, registers)
            start, registers = start + used, registers[used:]

    def _content(self, function: int, start: int, count: int) -> list[int]:
        wanted = [(function, at) for at in range(start, start + count)]
        if not all(place in self._places and self._readable(place) for place in wanted):
            raise IllegalDataAddressError
        self.reads |= set(wanted)
        content: dict[str, list[int]] = {}
        for place in wanted:
            name, _ = self._places[place]
            if name not in content:
                content[name] = encode(self._registers[name], self.instrument.raw(name, self.instrument.now))
        return [content[name][part] for name, part in map(self._places.__getitem__, wanted)]

    def _readable(self, place: tuple[int, int]) -> bool:
        return self._registers[self._places[place][0]].readable

    def _store(self, function: int, start: int, content: Sequence[int]) -> int:
        """Write one quantity; return how many registers it has."""
        name, part = self._places.get((function, start), ("", 0))
        register = self._registers.get(name)
        if register is None or register.writable is None:
            raise IllegalDataAddressError
        if part or len(content) < register.size:
            raise IllegalDataValueError
        raw = decode(register, content[: register.size])
        value = self.instrument.meanings[name].scaled(raw) if not isinstance(raw, str) else None
        limits = register.writable
        low, high = limits.min, limits.max
        if value is not None and ((low is not None and value < low) or (high is not None and value > high)):
            raise IllegalDataValueError
        self.instrument.write(name, raw)
        return register.size


class ModbusSimulator(TruthfulSimulator):
    """One instrument at one address."""

    def __init__(self, protocol: str, address: int, description: Description[Register]) -> None:
        form = ModbusFormat()
        quantities = description.quantities
        self.latency = description.line.turnaround
        self.instrument = SimulatedInstrument(
            quantities,
            {name: form.meaning(name, quantity) for name, quantity in quantities.items()},
            {name: bounds(quantity) for name, quantity in quantities.items()},
            address,
            description.head.identity,
        )
        self.server = RegisterServer(description, self.instrument, getattr(description.line, "largest", 125))
        self._servers = ModbusServers(protocol, {address: self.server})

    def receive(self, data: bytes, now: float) -> bytes:
        self.instrument.now = now
        return self._servers.receive(data, now)

    def foreign(self, reply: bytes) -> bytes:
        return self._servers.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self.instrument.set(name, value)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        return self.instrument.truths(channel, start, end)
