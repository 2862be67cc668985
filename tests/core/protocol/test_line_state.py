"""The states of a line: the table is complete, and the line follows it."""

from collections import deque

import anyio
import pytest
from toy import Ask, ToyCodec, ToySimulator

from riglog.errors import AmbiguousReplyError, ConnectionLostError, ReplyTimeoutError
from riglog.protocol import Codec, Connection, ProtocolClient
from riglog.protocol.line_state import TRANSITIONS, LineEvent, LineState
from riglog.simulation import Fault, FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock, scripted, step
from riglog.transport import Link

LINK = Link(protocol="toy")
LEVEL, FLOW = Ask(1, "level"), Ask(1, "flow")


def client_on(transport: SimulatedTransport) -> ProtocolClient[Ask, str]:
    return ProtocolClient(Connection(transport, LINK, LoopClock()), ToyCodec(), timeout=0.3)


def test_every_state_has_its_transitions_and_every_event_is_used() -> None:
    assert set(TRANSITIONS) == set(LineState)
    used = {event for events in TRANSITIONS.values() for event in events}
    assert used == set(LineEvent)
    assert all(LineEvent.REOPENED in events for events in TRANSITIONS.values())


def test_every_state_is_reached_from_idle_and_leads_back_to_it() -> None:
    def reachable(start: LineState) -> set[LineState]:
        seen, todo = {start}, deque([start])
        while todo:
            for state in TRANSITIONS[todo.popleft()].values():
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
        return seen

    assert all(reachable(state) == set(LineState) for state in LineState)


def test_every_failure_leads_into_the_hold_off() -> None:
    after = {events[LineEvent.FAILED] for events in TRANSITIONS.values() if LineEvent.FAILED in events}
    assert after == {LineState.HOLD_OFF}


async def test_the_state_is_that_of_the_transaction_under_way() -> None:
    client = client_on(scripted(step(b"?1 level\n", (0.1, b"1 level 7\n"))))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.transact, LEVEL)
        await anyio.sleep(0.05)
        assert client.line.state is LineState.AWAITING_REPLY
    assert client.line.state is LineState.IDLE


@pytest.mark.parametrize("how", ["timeout", "cancelled", "connection lost"])
async def test_a_request_without_its_reply_begins_a_hold_off(how: str) -> None:
    transport = scripted(step(b"?1 level\n"))
    client = client_on(transport)

    async def lose() -> None:
        await anyio.sleep(0.1)
        transport.cut()

    async with anyio.create_task_group() as tasks:
        if how == "connection lost":
            tasks.start_soon(lose)
        with anyio.move_on_after(0.1 if how == "cancelled" else 10):
            with pytest.raises((ReplyTimeoutError, ConnectionLostError)):
                await client.transact(LEVEL)
    assert client.line.state is LineState.HOLD_OFF


async def test_after_a_failure_a_resync_request_comes_before_the_next_request() -> None:
    dialogue = (
        step(b"?1 level\n"),
        step(b"?1 who\n", (0.1, b"1 who toy\n")),
        step(b"?1 level\n", (0.01, b"1 level 2\n")),
    )
    client = client_on(scripted(*dialogue))
    with pytest.raises(ReplyTimeoutError):
        await client.transact(LEVEL)
    states: list[LineState] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.transact, LEVEL)
        for moment in (0.05, 0.1, 0.1):  # hold-off, resync request, confirmation within the ambiguity window
            await anyio.sleep(moment)
            states.append(client.line.state)
    assert states == [LineState.HOLD_OFF, LineState.RESYNCHRONISING, LineState.CONFIRMING]
    assert client.line.state is LineState.IDLE


class FirstLineCodec(Codec[bytes, bytes]):
    """The codec that everybody writes first: it takes the first line, whatever it is."""

    def encode(self, request: bytes) -> bytes:
        return request + b"\n"

    def decode(self, request: bytes, buffer: bytearray, *, final: bool = False) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        return line


class Counting(Simulator):
    count = 0

    def receive(self, data: bytes, now: float) -> bytes:
        self.count += 1
        return b"%d\n" % self.count


@pytest.mark.parametrize("fault", [Fault.GLUE, Fault.DROP, Fault.SPLIT, Fault.TRUNCATE, Fault.LATE])
async def test_a_codec_that_takes_the_first_line_gives_no_wrong_value(fault: Fault) -> None:
    simulator = Counting()
    transport = SimulatedTransport(FaultyWire(simulator, rates={fault: 0.05}, seed=1))
    client = ProtocolClient(Connection(transport, LINK, LoopClock()), FirstLineCodec())
    good = wrong = 0
    for _ in range(1000):
        try:
            value = int((await client.transact(b"?")).reply)
        except (ReplyTimeoutError, AmbiguousReplyError, ValueError):
            continue
        good += 1
        wrong += value != simulator.count
    assert good > 400
    assert wrong == 0


async def test_a_reply_with_another_one_behind_it_is_ambiguous_for_every_codec() -> None:
    client = ProtocolClient(Connection(scripted(step(b"?\n", b"1\n2\n")), LINK, LoopClock()), FirstLineCodec())
    with pytest.raises(AmbiguousReplyError, match="two different replies to one request"):
        await client.transact(b"?")
    assert client.line.state is LineState.IDLE


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_only_a_repeatable_request_is_sent_again_whatever_the_retries(retries: int) -> None:
    """Whether a request may be repeated is a property of the codec: no default of a driver can change it."""

    class WritingCodec(FirstLineCodec):
        def is_repeatable(self, request: bytes) -> bool:
            return request == b"read"

    for request, sent in ((b"read", 1 + retries), (b"write", 1)):
        transport = SimulatedTransport(FaultyWire(Counting(), rates={Fault.DROP: 1.0}))
        client = ProtocolClient(Connection(transport, LINK, LoopClock()), WritingCodec(), retries=retries)
        with pytest.raises(ReplyTimeoutError):
            await client.transact(request)
        with pytest.raises(ReplyTimeoutError):
            await client.transact(request, retries=retries)
        assert transport.sent == 2 * sent * len(request + b"\n")


async def test_a_codec_that_does_not_say_so_is_never_asked_twice() -> None:
    transport = SimulatedTransport(FaultyWire(Counting(), rates={Fault.DROP: 1.0}))
    client = ProtocolClient(Connection(transport, LINK, LoopClock()), FirstLineCodec(), retries=5)
    with pytest.raises(ReplyTimeoutError):
        await client.transact(b"?")
    assert transport.sent == 2


async def test_the_port_is_handed_down_and_not_taken_twice() -> None:
    client = client_on(SimulatedTransport(FaultyWire(ToySimulator(1))))
    async with client.hold() as line:
        async with client.hold(line) as same:
            assert (await same.transact(LEVEL)).reply == "1"
        assert (await line.transact(FLOW)).reply == "2"
        with pytest.raises(RuntimeError):  # the lock is not re-entrant: taking it again is a bug, and found at once
            await client.transact(LEVEL)
    assert (await client.transact(LEVEL)).reply == "3"


async def test_a_held_line_keeps_other_tasks_out_until_its_end() -> None:
    client = client_on(SimulatedTransport(FaultyWire(ToySimulator(1))))
    order: list[str] = []

    async def other() -> None:
        order.append((await client.transact(FLOW)).reply)

    async with anyio.create_task_group() as tasks:
        async with client.hold() as line:
            tasks.start_soon(other)
            await anyio.sleep(1)
            order += [(await line.transact(LEVEL)).reply for _ in range(2)]
    assert order == ["1", "2", "3"]


async def test_a_line_of_another_port_is_refused() -> None:
    one, two = (client_on(SimulatedTransport(FaultyWire(ToySimulator(1)))) for _ in range(2))
    async with one.hold() as line:
        with pytest.raises(ValueError, match="another port"):
            two.hold(line)


async def test_a_client_with_another_timeout_shares_line_and_lock() -> None:
    client = client_on(scripted(step(b"?1 level\n")))
    patient = client.with_timeout(2.0)
    assert patient.line is client.line
    assert patient.lock is client.lock
    began = client.clock.monotonic_ns()
    with pytest.raises(ReplyTimeoutError, match="no reply within 2 s"):
        await patient.transact(LEVEL)
    assert client.clock.monotonic_ns() - began == pytest.approx(2e9)
    assert client.with_timeout(None) is client


async def test_half_a_frame_from_before_a_reopening_is_not_joined_to_what_comes_after_it() -> None:
    class Unsolicited(FirstLineCodec):
        def unsolicited(self, buffer: bytearray) -> bytes | None:
            return self.decode(b"", buffer)

    transport = scripted(step(b"go\n", (0.1, b"99"), (1.0, b"7\n")))
    client = ProtocolClient(Connection(transport, LINK, LoopClock()), Unsolicited())
    await client.send_without_reply(b"go")
    await anyio.sleep(0.5)
    assert client.receive_unsolicited_nowait() is None  # half a frame is in the buffer
    client.reopened()
    assert (await client.listen()).reply == b"7"
