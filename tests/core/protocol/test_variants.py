"""Variants of a request, surplus replies, and the settings of a port for late replies."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import anyio
import pytest
from adversary import LIMIT, PROMPT, TIMEOUT, Adversary, Decision, Read, SignedCodec, one_run
from toy import Ask, ToyCodec

from riglog.errors import AmbiguousReplyError, DeviceRefusedError, ReplyTimeoutError
from riglog.protocol import Connection, ProtocolClient
from riglog.protocol.modbus import IllegalDataAddressError, ModbusCodec, ModbusRequest, framing_of
from riglog.protocol.modbus.client import ModbusClient
from riglog.simulation import Fault, FaultyWire, ModbusServer, ModbusServers, SimulatedTransport, Simulator
from riglog.testing import LoopClock, scripted, step
from riglog.transport import Link

LEVEL = Ask(1, "level")
RTU = Link(protocol="modbus-rtu", baudrate=38400)


def signed(m: int, decisions: dict[int, Decision], **link: Any) -> tuple[Adversary, ProtocolClient[Read, int]]:
    far = Adversary(decisions)
    connection = Connection(SimulatedTransport(far), Link(protocol="signed", **link), LoopClock())
    return far, ProtocolClient(connection, SignedCodec(m), timeout=TIMEOUT)


async def test_successive_requests_have_different_signatures() -> None:
    _, client = signed(3, {})
    for number in range(7):
        assert (await client.transact(Read())).reply == number
        assert client.line._replied[-1][0].signature == number % 3


async def test_after_a_lost_reply_the_next_request_goes_out_at_once_in_another_variant() -> None:
    far, client = signed(2, {0: Decision(())})
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    began = anyio.current_time()
    assert [(await client.transact(Read())).reply for _ in range(3)] == [1, 2, 3]
    assert anyio.current_time() - began == pytest.approx(3 * PROMPT)
    assert {request.signature for request, _ in client.line._replied} == {1}
    assert far.requests == 4


@pytest.mark.parametrize(("link", "limit"), [({}, 10.0), ({"late_reply_limit": 3.0}, 3.0)])
async def test_a_signature_is_free_again_when_its_limit_is_over(link: dict[str, Any], limit: float) -> None:
    _, client = signed(2, {0: Decision(())}, **link)
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    failed = anyio.current_time()
    while anyio.current_time() - failed + PROMPT < limit:
        await client.transact(Read())
        assert client.line._replied[-1][0].signature == 1
    await anyio.sleep(PROMPT)
    await client.transact(Read())
    assert client.line._replied[-1][0].signature == 0


async def test_a_strict_port_waits_until_a_late_reply_cannot_arrive_any_more() -> None:
    far, client = signed(1, {0: Decision(())}, strict=True, late_reply_limit=LIMIT)
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    for _ in range(2):
        with pytest.raises(ReplyTimeoutError, match="waiting for late replies") as waiting:
            await client.transact(Read())
        assert waiting.value.reason == "waiting"
    assert far.requests == 1
    await client.transact(Read())
    assert anyio.current_time() >= TIMEOUT + LIMIT


async def test_a_strict_port_goes_on_when_the_late_reply_has_arrived() -> None:
    _, client = signed(1, {0: Decision((7.0,))}, strict=True, late_reply_limit=LIMIT)
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    assert (await client.transact(Read())).reply > 0
    assert anyio.current_time() < 14


async def test_once_a_reply_was_overtaken_order_is_no_proof_any_more() -> None:
    far, client = signed(1, {0: Decision((12.5,))})
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    await client.transact(Read())  # after hold-off and resync request
    await anyio.sleep_until(13)  # the late reply has arrived, after two later ones
    await client.transact(Read())
    far.decisions = {far.requests: Decision(())}
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    sent = far.requests
    with pytest.raises(ReplyTimeoutError, match="waiting for late replies"):
        await client.transact(Read())
    assert far.requests == sent


class OnTheWire(SimulatedTransport):
    """A serial line: characters take their time."""

    has_line_time = True


def slow_line(*steps: Any) -> ProtocolClient[Ask, str]:
    transport = OnTheWire(scripted(*steps).peer)
    return ProtocolClient(
        Connection(transport, Link(protocol="toy", baudrate=1200), LoopClock()), ToyCodec(), timeout=0.5
    )


async def test_a_reply_that_is_earlier_than_the_line_can_carry_it_answers_nothing() -> None:
    client = slow_line(step(b"?1 level\n", (0.001, b"1 level 7\n"), (0.2, b"1 level 8\n")))
    assert (await client.transact(LEVEL)).reply == "8"
    assert client.counters.surplus_replies == 1


async def test_an_early_refusal_answers_nothing_either() -> None:
    client = slow_line(step(b"?1 level\n", (0.001, b"1 level !\n"), (0.2, b"1 level 8\n")))
    assert (await client.transact(LEVEL)).reply == "8"


async def test_a_port_that_is_always_faster_than_its_baud_rate_is_used_as_it_is() -> None:
    quick = [step(b"?1 level\n", (0.001, b"1 level 7\n")), step(b"?1 who\n", (0.001, b"1 who toy\n"))]
    client = slow_line(quick[0], quick[1], quick[0], quick[1], *[quick[0]] * 2)
    for _ in range(2):
        with pytest.raises(ReplyTimeoutError):
            await client.transact(LEVEL)
    assert not client.line._has_line_time


async def test_a_read_is_refused_only_if_it_is_refused_twice() -> None:
    refused, value = step(b"?1 level\n", b"1 level !\n"), step(b"?1 level\n", b"1 level 7\n")
    client = ProtocolClient(Connection(scripted(refused, value), Link(protocol="toy"), LoopClock()), ToyCodec())
    assert (await client.transact(LEVEL)).reply == "7"
    client = ProtocolClient(Connection(scripted(*[refused] * 3), Link(protocol="toy"), LoopClock()), ToyCodec())
    for _ in range(2):  # the second time one refusal is enough
        with pytest.raises(DeviceRefusedError):
            await client.transact(LEVEL)


async def test_a_refusal_proves_nothing_while_a_reply_is_outstanding() -> None:
    _, client = signed(2, {0: Decision((20.0,)), 1: Decision((PROMPT,), refused=True)})
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    with pytest.raises(AmbiguousReplyError, match="a refusal while an earlier reply is still outstanding"):
        await client.transact(Read())


async def test_where_replies_were_overtaken_a_refusal_is_proven_when_none_can_arrive_any_more() -> None:
    """Otherwise a device that refuses what is read first, as its serial number, has no values for ten minutes."""
    _, client = signed(1, {0: Decision(())} | {number: Decision(refused=True) for number in range(1, 20)})
    client.line._evidence.note_late(client.line.clock.monotonic_ns(), overtaken=True)
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Read())
    await anyio.sleep(2 * LIMIT)
    with pytest.raises(DeviceRefusedError):
        await client.transact(Read())


class Counting(ModbusServer):
    """Registers 0 to 4; every read gives the next number. ``refuses`` are counts that it does not read."""

    def __init__(self, refuses: Sequence[int] = ()) -> None:
        self.counts: list[int] = []
        self.refuses = refuses

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        self.counts.append(count)
        if start + count > 5 or count in self.refuses:
            raise IllegalDataAddressError
        return [len(self.counts), *range(1, count)]


class Serving(Simulator):
    def __init__(self, server: ModbusServer) -> None:
        self.servers = ModbusServers("modbus-rtu", {1: server})

    def receive(self, data: bytes, now: float) -> bytes:
        return self.servers.receive(data, now)


def counting(server: Counting) -> ModbusClient:
    return ModbusClient(Connection(SimulatedTransport(FaultyWire(Serving(server))), RTU, LoopClock()))


async def test_reads_take_turns_in_the_spare_registers_and_the_reply_does_not_contain_them() -> None:
    server = Counting()
    unit = counting(server).unit(1).with_spare(3)
    for number in range(1, 6):
        assert (await unit.read_holding_registers(0, count=2)).reply.registers == [number, 1]
    assert server.counts == [2, 3, 2, 3, 2]  # the others only while replies are outstanding


async def test_without_spare_registers_nothing_else_is_read() -> None:
    server = Counting()
    unit = counting(server).unit(1)
    for _ in range(3):
        await unit.read_holding_registers(0, count=2)
    assert server.counts == [2, 2, 2]


async def test_two_reads_of_the_same_length_in_turn_differ_in_length_on_the_line() -> None:
    server = Counting()
    unit = counting(server).unit(1).with_spare(1)
    for start in (0, 2, 0, 2, 0):
        await unit.read_holding_registers(start, count=2)
    assert all(one != other for one, other in zip(server.counts, server.counts[1:], strict=False))


async def test_a_count_that_the_server_refuses_is_not_used_again() -> None:
    server = Counting(refuses=[3])
    client = counting(server)
    unit = client.unit(1).with_spare(2)
    for _ in range(12):
        assert len((await unit.read_holding_registers(0, count=2)).reply.registers) == 2
        await anyio.sleep(11)
    assert server.counts.count(3) == 2
    client.reopened()
    for _ in range(3):
        await unit.read_holding_registers(0, count=2)
    assert server.counts.count(3) == 3


def test_input_registers_are_read_for_holding_registers_only_if_it_is_set() -> None:
    request = ModbusRequest(1, b"\x03\0\0\0\2", spare=1)
    usual = ModbusCodec(framing_of("modbus-rtu"), RTU)
    both = ModbusCodec(framing_of("modbus-rtu"), Link(protocol="modbus-rtu", all_variants=True))
    assert {one.function for one in usual.variants(request)} == {3}
    assert [one.function for one in both.variants(request)] == [3, 4, 3, 4]
    for variant in both.variants(request):
        count = int.from_bytes(variant.pdu[3:5], "big")
        frame = both.framing.wrap(1, bytes([variant.function, 2 * count]) + bytes(range(2 * count)))
        assert both.decode(variant, bytearray(frame)) == b"\x03\x04" + bytes(range(4))


def test_transaction_numbers_need_no_variants() -> None:
    request = ModbusRequest(1, b"\x03\0\0\0\2", spare=9)
    assert ModbusCodec(framing_of("modbus-tcp"), Link(protocol="modbus-tcp")).variants(request) == (request,)


def test_coils_are_read_further_by_whole_bytes() -> None:
    codec = ModbusCodec(framing_of("modbus-rtu"), RTU)
    variants = codec.variants(ModbusRequest(1, b"\x01\0\0\0\4", spare=20))
    assert [int.from_bytes(one.pdu[3:5], "big") for one in variants] == [4, 12, 20]
    assert len({codec.reply_signature(one) for one in variants}) == 3


async def test_once_a_copy_was_seen_replies_are_confirmed() -> None:
    """The second copy comes two requests later, where the same signature is used again: the true reply shows it."""
    seen_first = {0: Decision((PROMPT, 3.0)), 2: Decision((PROMPT, 5.0))}
    for decisions, wrong in ((seen_first, 0), ({2: Decision((PROMPT, 5.0))}, 1)):
        assert (await one_run(SignedCodec(2), decisions, 8)).wrong == wrong


async def test_after_two_replies_to_one_request_the_next_reply_is_confirmed() -> None:
    two = [
        step(b"?1 level\n", (0.0, b"1 level 7\n1 level 8\n")),
        step(b"?1 level\n", (0.0, b"1 level 8\n"), (0.04, b"1 level 9\n")),
    ]
    client = ProtocolClient(Connection(scripted(*two), Link(protocol="toy"), LoopClock()), ToyCodec())
    for _ in two:
        with pytest.raises(AmbiguousReplyError, match="two different replies"):
            await client.transact(LEVEL)


async def test_a_late_reply_is_not_taken_for_a_copy() -> None:
    script = ([None] * 18 + [Fault.LATE]) * 30
    wire = FaultyWire(Serving(Counting()), script=script, late=1.0)
    client = ModbusClient(Connection(SimulatedTransport(wire), RTU, LoopClock()), timeout=0.3)
    unit = client.unit(1).with_spare(1)
    for _ in range(500):
        with suppress(ReplyTimeoutError, AmbiguousReplyError):
            await unit.read_holding_registers(0, count=2)
    assert client.counters.timeouts > 20
    assert client.counters.surplus_replies == 0
