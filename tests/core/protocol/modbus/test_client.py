"""The calls, what they raise, and how the line is kept."""

from collections.abc import Sequence

import pytest

from riglog.errors import ConfigError, DeviceRefusedError, ReplyTimeoutError, UnsupportedError
from riglog.protocol import Connection
from riglog.protocol.modbus import (
    IllegalDataAddressError,
    IllegalDataValueError,
    IllegalFunctionError,
    ModbusExceptionError,
    SlaveDeviceFailureError,
    framing_of,
)
from riglog.protocol.modbus.client import ModbusClient, ModbusUnit
from riglog.simulation import FaultyWire, ModbusServer, ModbusServers, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock, scripted, step
from riglog.transport import Link

PROTOCOLS = ("modbus-rtu", "modbus-ascii", "modbus-tcp")


class TableSlave(ModbusServer):
    """A hundred bits and a hundred registers, readable by either function."""

    def __init__(self) -> None:
        self.bits = [False] * 100
        self.registers = [0] * 100

    def read_bits(self, function: int, start: int, count: int) -> Sequence[bool]:
        return _span(self.bits, start, count)

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        return _span(self.registers, start, count)

    def write_bits(self, start: int, bits: Sequence[bool]) -> None:
        _span(self.bits, start, len(bits))
        self.bits[start : start + len(bits)] = bits

    def write_registers(self, start: int, registers: Sequence[int]) -> None:
        _span(self.registers, start, len(registers))
        self.registers[start : start + len(registers)] = registers


def _span(table: list, start: int, count: int) -> list:  # type: ignore[type-arg]
    if start + count > len(table):
        raise IllegalDataAddressError
    return table[start : start + count]


class Served(Simulator):
    def __init__(self, server: ModbusServers) -> None:
        self.server = server

    def receive(self, data: bytes, now: float) -> bytes:
        return self.server.receive(data, now)


def unit_of(protocol: str, slave: ModbusServer) -> ModbusUnit:
    transport = SimulatedTransport(FaultyWire(Served(ModbusServers(protocol, {7: slave}))))
    return ModbusClient(Connection(transport, Link(protocol=protocol), LoopClock())).unit(7)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_function_makes_the_round_trip(protocol: str) -> None:
    unit = unit_of(protocol, TableSlave())
    await unit.write_coil(3, True)
    await unit.write_coils(8, [True, False, True])
    await unit.write_register(5, 0xBEEF)
    await unit.write_registers(6, [1, 2, 3])
    assert (await unit.read_coils(0, count=11)).reply.bits[:11] == [False] * 3 + [True] + [False] * 4 + [
        True,
        False,
        True,
    ]
    assert (await unit.read_discrete_inputs(3, count=1)).reply.bits[0] is True
    assert (await unit.read_holding_registers(5, count=4)).reply.registers == [0xBEEF, 1, 2, 3]
    assert (await unit.read_input_registers(99)).reply.registers == [0]
    await unit.diag_query_data(b"\xab\xcd")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1, IllegalFunctionError),
        (2, IllegalDataAddressError),
        (3, IllegalDataValueError),
        (4, SlaveDeviceFailureError),
        (0x42, ModbusExceptionError),
    ],
)
async def test_every_exception_is_its_own_error(code: int, error: type[ModbusExceptionError]) -> None:
    class Refusing(ModbusServer):
        def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
            raise ModbusExceptionError(code)

    with pytest.raises(error) as caught:
        await unit_of("modbus-rtu", Refusing()).read_holding_registers(0)
    assert type(caught.value) is error
    assert isinstance(caught.value, DeviceRefusedError)
    assert caught.value.code == code
    assert caught.value.context["address"] == 7


@pytest.mark.parametrize("address", [0, 256, -1])
def test_a_unit_that_cannot_be_is_refused_before_anything_is_sent(address: int) -> None:
    client = ModbusClient(Connection(scripted(), Link(protocol="modbus-rtu")))
    with pytest.raises(ConfigError):
        client.unit(address)


async def test_what_cannot_be_proven_or_encoded_is_not_sent() -> None:
    unit = ModbusClient(Connection(scripted(), Link(protocol="modbus-rtu"), LoopClock())).unit(1)
    with pytest.raises(UnsupportedError):
        await unit.diag_clear_counters()
    with pytest.raises(UnsupportedError):
        await unit.write_coil(1, True, no_response_expected=True)
    with pytest.raises(ValueError, match="fit"):
        await unit.write_register(1, 70_000)
    with pytest.raises(ValueError, match="count"):
        await unit.read_input_registers(0, count=126)


async def test_reads_are_asked_again_and_writes_never() -> None:
    client = ModbusClient(Connection(scripted_silence(), Link(protocol="modbus-tcp"), LoopClock()), retries=2)
    with pytest.raises(ReplyTimeoutError):
        await client.unit(1).write_register(0, 9)
    assert client.counters.requests == 1
    with pytest.raises(ReplyTimeoutError):
        await client.unit(1).read_holding_registers(0)
    assert client.counters.requests == 4


async def test_the_patience_follows_the_baud_rate() -> None:
    clock = LoopClock()
    for baudrate, protocol, most in (
        (2400, "modbus-ascii", 1.9),
        (2400, "modbus-rtu", 1.3),
        (19200, "modbus-ascii", 0.7),
    ):
        client = ModbusClient(
            Connection(scripted_silence(), Link(protocol=protocol, baudrate=baudrate), clock), timeout=0.5
        )
        began = clock.monotonic_ns()
        with pytest.raises(ReplyTimeoutError):
            await client.unit(30).read_input_registers(0, count=70)
        waited = (clock.monotonic_ns() - began) / 1e9
        assert most - 0.4 < waited < most


def scripted_silence() -> SimulatedTransport:
    return SimulatedTransport(FaultyWire(Served(ModbusServers("modbus-rtu", {}))))


class Listening(SimulatedPeer):
    """Notes when each request began, and answers at once."""

    def __init__(self, inner: SimulatedPeer) -> None:
        self.inner = inner
        self.begins: list[float] = []
        self.ends: list[float] = []

    def send(self, data: bytes, now: float) -> None:
        self.begins.append(now)
        self.inner.send(data, now)

    def take(self, now: float) -> bytes:
        if data := self.inner.take(now):
            self.ends.append(now)
        return data

    def next_due(self, now: float) -> float | None:
        return self.inner.next_due(now)


@pytest.mark.parametrize(("baudrate", "gap"), [(9600, 0.00364), (19200, 0.00182), (115200, 0.00175), (2400, 0.0145)])
async def test_rtu_keeps_three_and_a_half_characters_of_silence_also_between_units(baudrate: int, gap: float) -> None:
    slaves = {1: TableSlave(), 2: TableSlave()}
    line = Listening(FaultyWire(Served(ModbusServers("modbus-rtu", slaves))))
    link = Link(protocol="modbus-rtu", baudrate=baudrate)
    client = ModbusClient(Connection(SimulatedTransport(line), link, LoopClock()))
    for unit in (1, 1, 2, 1, 2):
        await client.unit(unit).read_holding_registers(0)
    silences = [begin - end for end, begin in zip(line.ends, line.begins[1:], strict=False)]
    assert len(silences) == 4
    assert min(silences) >= gap - 1e-9


async def test_the_widest_gap_counts_for_everybody() -> None:
    line = Listening(FaultyWire(Served(ModbusServers("modbus-rtu", {1: TableSlave()}))))
    client = ModbusClient(Connection(SimulatedTransport(line), Link(protocol="modbus-rtu"), LoopClock()))
    client.widen_gap(0.05)
    client.widen_gap(0.01)
    for _ in range(3):
        await client.unit(1).read_holding_registers(0)
    assert all(begin - end >= 0.05 - 1e-9 for end, begin in zip(line.ends, line.begins[1:], strict=False))


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_a_local_echo_is_taken_off_even_where_the_reply_is_the_same(protocol: str) -> None:
    request = framing_of(protocol).wrap(1, bytes.fromhex("06 0005 0001"))
    answered = scripted(step(request, request[:3], request[3:] + request))
    await (
        ModbusClient(Connection(answered, Link(protocol=protocol, echo=True), LoopClock())).unit(1).write_register(5, 1)
    )
    silent = scripted(step(request, request))
    with pytest.raises(ReplyTimeoutError):
        await (
            ModbusClient(Connection(silent, Link(protocol=protocol, echo=True), LoopClock()))
            .unit(1)
            .write_register(5, 1)
        )


async def test_without_the_echo_that_was_configured_the_error_says_so() -> None:
    request = framing_of("modbus-rtu").wrap(1, bytes.fromhex("03 0000 0001"))
    reply = framing_of("modbus-rtu").wrap(1, bytes.fromhex("03 02 0007"))
    client = ModbusClient(
        Connection(scripted(step(request, reply)), Link(protocol="modbus-rtu", echo=True), LoopClock())
    )
    with pytest.raises(ReplyTimeoutError) as caught:
        await client.unit(1).read_holding_registers(0)
    assert caught.value.reason == "no_echo"


def test_importing_riglog_and_the_light_half_of_modbus_does_not_import_pymodbus() -> None:
    import subprocess
    import sys

    code = "import sys, riglog, riglog.plugin, riglog.protocol.modbus; sys.exit('pymodbus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Echo(Simulator):
    """A two-wire adapter that returns what is sent, and the servers behind it."""

    def __init__(self, server: Simulator | None = None) -> None:
        self.server = server

    def receive(self, data: bytes, now: float) -> bytes:
        return data + (self.server.receive(data, now) if self.server else b"")


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_an_echo_confirms_no_write_and_the_hint_names_the_setting(protocol: str) -> None:
    transport = SimulatedTransport(FaultyWire(Echo()))
    unit = ModbusClient(Connection(transport, Link(protocol=protocol), LoopClock())).unit(7)
    with pytest.raises(ReplyTimeoutError) as caught:
        await unit.read_holding_registers(5)
    assert caught.value.reason == "echo"
    assert "echo = true" in (caught.value.hint or "")
    for write in (unit.write_register(5, 1), unit.write_coil(3, True), unit.diag_query_data(b"\xab\xcd")):
        with pytest.raises(ReplyTimeoutError):
            await write


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_behind_an_echo_that_is_not_configured_reads_and_writes_work(protocol: str) -> None:
    slave = TableSlave()
    transport = SimulatedTransport(FaultyWire(Echo(Served(ModbusServers(protocol, {7: slave})))))
    unit = ModbusClient(Connection(transport, Link(protocol=protocol), LoopClock())).unit(7)
    assert (await unit.read_holding_registers(5)).reply.registers == [0]
    await unit.write_register(5, 0xBEEF)
    assert slave.registers[5] == 0xBEEF
    assert (await unit.read_holding_registers(5)).reply.registers == [0xBEEF]
