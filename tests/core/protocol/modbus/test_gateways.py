"""Modbus TCP gateways that reply under a unit identifier of their own: the transaction number is the proof."""

import pytest

from riglog.errors import ConfigError, MalformedReplyError, ReplyTimeoutError
from riglog.manager.device_spec import resolve_device
from riglog.plugin import installed
from riglog.protocol import Connection
from riglog.protocol.modbus import ModbusExceptionError
from riglog.protocol.modbus.client import ModbusClient
from riglog.simulation import FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link

VALUE = bytes.fromhex("03 02 012c")
TARGET_FAILED = bytes.fromhex("83 0b")


class Gateway(Simulator):
    """Replies to every request with one PDU, under the unit identifiers given, each a frame."""

    def __init__(self, pdu: bytes, *units: int, older: int = 0) -> None:
        self.pdu, self.units, self.older = pdu, units, older

    def receive(self, data: bytes, now: float) -> bytes:
        number = (int.from_bytes(data[:2], "big") - self.older).to_bytes(2, "big")
        head = number + b"\0\0" + (len(self.pdu) + 1).to_bytes(2, "big")
        return b"".join(head + bytes([unit]) + self.pdu for unit in self.units)


def client(gateway: Gateway, accept_unit: int | tuple[int, ...] = ()) -> ModbusClient:
    link = Link(protocol="modbus-tcp", accept_unit=accept_unit)
    return ModbusClient(Connection(SimulatedTransport(FaultyWire(gateway)), link, LoopClock()))


async def read(gateway: Gateway, accept_unit: int | tuple[int, ...] = ()) -> list[int]:
    registers: list[int] = (await client(gateway, accept_unit).unit(3).read_holding_registers(0)).reply.registers
    return registers


@pytest.mark.parametrize("unit", [0, 1, 255])
async def test_a_reply_under_another_unit_names_both_units_and_the_setting(unit: int) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        await read(Gateway(VALUE, unit))
    assert caught.value.message == f"the reply to a request to unit 3 carries unit {unit}"
    assert caught.value.hint is not None
    assert f"accept_unit = {unit}" in caught.value.hint


@pytest.mark.parametrize("accept_unit", [0, (0,), (255, 0)])
async def test_a_reply_under_an_accepted_unit_is_a_reply(accept_unit: int | tuple[int, ...]) -> None:
    assert await read(Gateway(VALUE, 0), accept_unit) == [300]
    assert await read(Gateway(VALUE, 3), accept_unit) == [300]


async def test_another_unit_than_the_accepted_one_is_refused() -> None:
    with pytest.raises(MalformedReplyError, match="unit 3 carries unit 1"):
        await read(Gateway(VALUE, 1), (0, 255))


@pytest.mark.parametrize("unit", [0, 1, 3, 255])
async def test_an_exception_with_our_transaction_number_is_the_reply_under_any_unit(unit: int) -> None:
    clock = LoopClock()
    started = clock.monotonic_ns()
    with pytest.raises(ModbusExceptionError, match="gateway target device failed to respond"):
        await read(Gateway(TARGET_FAILED, unit))
    assert clock.monotonic_ns() - started < 0.1e9  # no timeout was waited for


async def test_a_reply_under_the_right_unit_counts_more_than_one_under_another() -> None:
    assert await read(Gateway(VALUE, 1, 3)) == [300]


@pytest.mark.parametrize("pdu", [VALUE, TARGET_FAILED])
async def test_nothing_with_an_older_transaction_number_is_a_reply(pdu: bytes) -> None:
    with pytest.raises(ReplyTimeoutError):
        await read(Gateway(pdu, 0, 3, older=1), 0)


@pytest.mark.parametrize("accept_unit", [0, [0, 255]])
def test_the_setting_is_for_the_protocol_with_transaction_numbers_only(accept_unit: object) -> None:
    def resolved(protocol: str) -> Link:
        table = {"name": "o", "driver": "watlow", "port": "tcp://host:502", "address": 3, "protocol": protocol}
        port = resolve_device(installed(), table | {"accept_unit": accept_unit}).port
        assert port is not None
        return port.link

    expected = tuple(accept_unit) if isinstance(accept_unit, list) else accept_unit
    assert resolved("modbus-tcp").accept_unit == expected
    for protocol in ("modbus-rtu", "stdbus"):
        with pytest.raises(ConfigError, match="accept_unit: not possible with protocol"):
            resolved(protocol)


@pytest.mark.parametrize("wrong", [-1, 256, "gateway", [300]])
def test_what_is_no_unit_identifier_is_refused(wrong: object) -> None:
    table = {"name": "o", "driver": "watlow", "port": "tcp://host:502", "address": 3, "protocol": "modbus-tcp"}
    with pytest.raises(ConfigError, match="accept_unit"):
        resolve_device(installed(), table | {"accept_unit": wrong})
