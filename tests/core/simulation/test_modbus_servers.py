"""Simulated Modbus servers: unit identifiers, incomplete requests, and the checks of the specification."""

from collections.abc import Sequence

import pytest

from riglog.protocol.modbus.framing import framing_of
from riglog.simulation import ModbusServer, ModbusServers
from riglog.simulation.modbus_server import pack_bits, unpack_bits
from riglog.simulation.modbus_servers import PARTIAL_REQUEST_TIMEOUT

RTU = framing_of("modbus-rtu")
READ = bytes([3, 0, 10, 0, 2])


class Table(ModbusServer):
    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        return list(range(start, start + count))


def request(unit: int, pdu: bytes = READ) -> bytes:
    return RTU.wrap(unit, pdu, None)


REPLY = bytes([3, 4, 0, 10, 0, 11])


def test_the_server_addressed_responds() -> None:
    servers = ModbusServers("modbus-rtu", {7: Table()})
    assert servers.receive(request(7), 0.0) == RTU.wrap(7, REPLY, None)
    assert servers.receive(request(8), 1.0) == b""


@pytest.mark.parametrize("cut", range(1, len(request(7))))
def test_a_request_may_arrive_in_two_pieces(cut: int) -> None:
    servers = ModbusServers("modbus-rtu", {7: Table()})
    assert servers.receive(request(7)[:cut], 0.0) == b""
    assert servers.receive(request(7)[cut:], PARTIAL_REQUEST_TIMEOUT) == RTU.wrap(7, REPLY, None)


def test_an_incomplete_request_is_discarded_after_a_pause() -> None:
    servers = ModbusServers("modbus-rtu", {7: Table()})
    assert servers.receive(request(7)[:5], 0.0) == b""
    assert servers.receive(request(7)[5:], PARTIAL_REQUEST_TIMEOUT + 0.01) == b""
    assert servers.receive(request(7), 1.0) == RTU.wrap(7, REPLY, None)


def test_a_corrupt_request_gets_no_reply() -> None:
    servers = ModbusServers("modbus-rtu", {7: Table()})
    corrupt = bytearray(request(7))
    corrupt[3] ^= 1
    assert servers.receive(bytes(corrupt), 0.0) == b""


def test_a_foreign_reply_has_a_unit_identifier_of_no_server() -> None:
    servers = ModbusServers("modbus-rtu", {1: Table(), 2: Table()})
    assert servers.foreign(RTU.wrap(1, REPLY, None)) == RTU.wrap(3, REPLY, None)


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (bytes([99, 0, 0, 0, 1]), 1),  # function before everything else
        (bytes([3, 0, 0, 0, 0]), 3),  # then the quantity
        (bytes([3, 0, 0, 0, 126]), 3),
        (bytes([1, 0, 0, 0, 1]), 2),  # then the address
        (bytes([5, 0, 0, 0x12, 0x34]), 3),
        (bytes([6, 0, 0, 0, 1]), 2),
        (bytes([8, 0, 1, 0, 0]), 1),
    ],
)
def test_a_request_is_checked_in_the_order_of_the_specification(pdu: bytes, code: int) -> None:
    assert Table().respond(pdu) == bytes([pdu[0] | 0x80, code])


def test_a_loopback_request_is_repeated() -> None:
    assert Table().respond(bytes([8, 0, 0, 0x12, 0x34])) == bytes([8, 0, 0, 0x12, 0x34])


def test_bits_are_packed_lowest_first() -> None:
    bits = [True, False, True, True, False, False, False, False, True]
    assert pack_bits(bits) == bytes([0b00001101, 0b00000001])
    assert unpack_bits(pack_bits(bits))[: len(bits)] == bits
