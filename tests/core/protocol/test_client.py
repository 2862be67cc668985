"""The client and the line, in scripted time: what is old is never taken for new, and nothing is left behind."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import anyio
import pytest

from riglog.errors import DeviceRefusedError, MalformedReplyError, ReplyTimeoutError
from riglog.protocol import Codec, Connection, ProtocolClient
from riglog.protocol.line_state import LineState
from riglog.simulation import SimulatedTransport
from riglog.testing import LoopClock, scripted, step
from riglog.testing.virtual_time import EPOCH_NS
from riglog.transport import Link

TIMEOUT = 0.5


class Ask(NamedTuple):
    """``size`` digits are the reply; nothing in it says what was asked, as on many a wire."""

    name: str
    size: int = 3


class DigitsCodec(Codec[Ask, str]):
    """``name?`` is answered by digits and a newline; ``!`` refuses, ``#`` is senseless, ``*…`` comes unasked."""

    def __init__(self, *, markers: bool = False) -> None:
        self.markers = [Ask(f"m{size}", size) for size in range(10, 13)] if markers else []

    def encode(self, request: Ask) -> bytes:
        return f"{request.name}?".encode()

    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        while (end := buffer.find(b"\n")) >= 0:
            line = buffer[:end].decode()
            del buffer[: end + 1]
            if line == "!":
                raise DeviceRefusedError("refused")
            if line == "#":
                raise MalformedReplyError("senseless")
            if len(line) == request.size:
                return line
        return None

    def unsolicited(self, buffer: bytearray) -> str | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = buffer[:end].decode()
        del buffer[: end + 1]
        return line

    def is_repeatable(self, request: Ask) -> bool:
        return not request.name.startswith("set")

    def address(self, request: Ask) -> object:
        return request.name.partition("/")[0] if "/" in request.name else None

    def reply_signature(self, request: Ask) -> object:
        return request.size

    def resync_request(self, request: Ask, outstanding: Sequence[Ask]) -> Ask | None:
        taken = {one.size for one in (request, *outstanding)}
        return next((one for one in self.markers if one.size not in taken), None)


def client_for(
    transport: SimulatedTransport, *, markers: bool = False, gap: float = 0.0, echo: bool = False, **settings: Any
) -> ProtocolClient[Ask, str]:
    codec = DigitsCodec(markers=markers)
    codec.inter_frame_gap = gap
    connection = Connection(transport, Link(protocol="digits", echo=echo), LoopClock())
    return ProtocolClient(connection, codec, timeout=TIMEOUT, **settings)


def done(transport: SimulatedTransport) -> bool:
    return bool(transport.peer.finished)  # type: ignore[attr-defined]


async def fails(client: ProtocolClient[Ask, str], name: str) -> ReplyTimeoutError:
    with pytest.raises(ReplyTimeoutError) as caught:
        await client.transact(Ask(name))
    return caught.value


async def test_a_stamp_says_when_the_last_byte_came_and_how_long_it_took() -> None:
    client = client_for(scripted(step(b"a?", (0.1, b"12"), (0.3, b"3\n"))))
    await anyio.sleep(7)
    answer = await client.transact(Ask("a"))
    assert answer.reply == "123"
    assert answer.stamp.received_ns - EPOCH_NS == pytest.approx(7.3e9)
    assert answer.stamp.latency_ns == pytest.approx(0.3e9)
    assert answer.stamp.monotonic_ns == pytest.approx(7.15e9)


async def test_what_arrived_before_the_request_is_thrown_away_and_counted() -> None:
    client = client_for(scripted(step(b"a?", b"123\n", (1.0, b"999\n")), step(b"b?", (0.1, b"456\n"))))
    assert (await client.transact(Ask("a"))).reply == "123"
    await anyio.sleep(2)
    assert (await client.transact(Ask("b"))).reply == "456"
    assert client.counters.stale_bytes == 4


async def test_a_codec_that_fails_after_a_timeout_leaves_the_line_in_hold_off() -> None:
    class FaultyCodec(DigitsCodec):
        def reply_signature(self, request: Ask) -> object:
            raise ZeroDivisionError

    transport = scripted(step(b"a?"), step(b"b?", (0.1, b"222\n")))
    connection = Connection(transport, Link(protocol="digits"), LoopClock())
    client = ProtocolClient(connection, FaultyCodec(), timeout=TIMEOUT)
    with pytest.raises(ZeroDivisionError):
        await client.transact(Ask("a"))
    assert client.line.state is LineState.HOLD_OFF


async def test_a_line_cannot_be_used_after_its_block() -> None:
    client = client_for(scripted(step(b"a?", (0.1, b"222\n"))))
    async with client.hold() as line:
        pass
    with pytest.raises(RuntimeError, match="not held any more"):
        await line.transact(Ask("a"))
    with pytest.raises(RuntimeError, match="not held any more"):
        await line.send_without_reply(Ask("a"))
    assert (await client.transact(Ask("a"))).reply == "222"


async def test_a_reply_after_the_timeout_is_never_taken() -> None:
    client = client_for(scripted(step(b"a?", (0.7, b"111\n")), step(b"b?", (0.1, b"222\n"))))
    assert (await fails(client, "a")).reason == "no_reply"
    assert (await client.transact(Ask("b"))).reply == "222"
    assert client.counters.stale_bytes == 4
    assert client.clock.monotonic_ns() == pytest.approx(1.3e9)  # 0.7 + as long silent as the timeout + 0.1


async def test_two_late_replies_in_a_row_are_never_taken() -> None:
    late = (step(b"a?", (0.9, b"111\n")), step(b"b?", (0.9, b"222\n")), step(b"c?", b"333\n"))
    transport = scripted(*late)
    client = client_for(transport)
    await fails(client, "a")
    await fails(client, "b")
    assert (await client.transact(Ask("c"))).reply == "333"
    assert done(transport)


async def test_an_instrument_that_hangs_and_then_answers_everything_is_caught_up_with_by_a_marker() -> None:
    dialogue = (
        step(b"a?"),
        step(b"m10?", (0.2, b"111\n"), (0.2, b"0000000010\n")),
        step(b"b?", b"222\n"),
    )
    transport = scripted(*dialogue)
    client = client_for(transport, markers=True)
    await fails(client, "a")
    assert (await client.transact(Ask("b"))).reply == "222"
    assert client.counters.resynchronised == 1
    assert done(transport)


async def test_while_it_hangs_every_marker_looks_different_so_that_none_is_taken_for_the_next() -> None:
    everything = (b"111\n", b"0000000010\n", b"00000000011\n")
    dialogue = (step(b"a?"), step(b"m10?"), step(b"m11?", *everything), step(b"b?", b"222\n"))
    transport = scripted(*dialogue)
    client = client_for(transport, markers=True)
    await fails(client, "a")
    await fails(client, "b")
    assert (await client.transact(Ask("b"))).reply == "222"
    assert done(transport)


async def test_when_the_markers_are_used_up_an_old_one_is_not_mistaken_for_the_end() -> None:
    dialogue = (
        step(b"a?"),
        *(step(f"m{size}?".encode()) for size in (10, 11, 12)),
        step(b"m10?", b"111\n0000000010\n"),
        step(b"b?", b"00000000011\n000000000012\n0000000010\n", (0.1, b"222\n")),
        step(b"a?", b"333\n"),
    )
    transport = scripted(*dialogue)
    client = client_for(transport, markers=True)
    for _ in range(4):
        await fails(client, "a" if _ == 0 else "b")
    assert (await client.transact(Ask("b"))).reply == "222"
    assert (await client.transact(Ask("a"))).reply == "333"
    assert done(transport)


async def test_a_refused_marker_waits_for_its_own_reply_behind_an_older_refusal() -> None:
    dialogue = (step(b"a?"), step(b"m10?", b"!\n", (0.2, b"111\n0000000010\n")), step(b"b?", b"222\n"))
    client = client_for(scripted(*dialogue), markers=True)
    await fails(client, "a")
    assert (await client.transact(Ask("b"))).reply == "222"


async def test_a_neighbour_needs_no_marker() -> None:
    dialogue = (step(b"1/a?"), step(b"2/a?", b"222\n"), step(b"m10?", b"0000000010\n"))
    client = client_for(scripted(*dialogue), markers=True)
    await fails(client, "1/a")
    assert (await client.transact(Ask("2/a"))).reply == "222"


async def test_a_line_that_never_falls_silent_ends_in_an_error_and_not_in_waiting() -> None:
    babble = [(0.2 * number, b"*\n") for number in range(1, 60)]
    client = client_for(scripted(step(b"a?", *babble), step(b"b?", b"222\n")))
    await fails(client, "a")
    assert (await fails(client, "b")).reason == "line_busy"
    await anyio.sleep(20)
    assert (await client.transact(Ask("b"))).reply == "222"


@pytest.mark.parametrize("moment", [0.01, 0.1, 0.3])
async def test_a_cancelled_request_leaves_the_line_clean(moment: float) -> None:
    transport = scripted(step(b"a?", (0.2, b"11"), (0.4, b"1\n")), step(b"b?", b"222\n"))
    client = client_for(transport)
    with anyio.move_on_after(moment) as scope:
        await client.transact(Ask("a"))
    assert scope.cancelled_caught
    assert (await client.transact(Ask("b"))).reply == "222"


async def test_what_a_cancelled_request_still_brings_does_not_answer_the_same_request_again() -> None:
    transport = scripted(step(b"a?", (0.2, b"111\n")), step(b"a?", (0.1, b"222\n")))
    client = client_for(transport)
    with anyio.move_on_after(0.1) as scope:
        await client.transact(Ask("a"))
    assert scope.cancelled_caught
    assert (await client.transact(Ask("a"))).reply == "222"


async def test_the_gap_is_kept_before_every_request() -> None:
    client = client_for(scripted(*(step(b"a?", b"123\n") for _ in range(3))), gap=0.05)
    for number in range(3):
        await client.transact(Ask("a"))
        assert client.clock.monotonic_ns() == pytest.approx((number + 1) * 0.05e9)


async def test_a_read_is_asked_again_and_a_write_is_not() -> None:
    transport = scripted(step(b"a?"), step(b"a?", b"123\n"), step(b"set w?"))
    client = client_for(transport, retries=1)
    assert (await client.transact(Ask("a"))).reply == "123"
    with pytest.raises(ReplyTimeoutError):
        await client.transact(Ask("set w"))
    assert done(transport)


async def test_a_refusal_and_a_senseless_reply_cost_no_silence() -> None:
    client = client_for(scripted(*[step(b"a?", b"!\n")] * 2, step(b"b?", b"#\n"), step(b"c?", b"123\n")))
    with pytest.raises(DeviceRefusedError) as refused:
        await client.transact(Ask("a"))
    assert refused.value.context["reply"] == b"!\n"
    with pytest.raises(MalformedReplyError):
        await client.transact(Ask("b"))
    await client.transact(Ask("c"))
    assert client.clock.monotonic_ns() == 0


async def test_requests_of_two_tasks_do_not_mix() -> None:
    transport = scripted(step(b"a?", (0.1, b"111\n")), step(b"b?", (0.1, b"222\n")))
    client = client_for(transport)
    heard = []

    async def ask(name: str) -> None:
        heard.append((await client.transact(Ask(name))).reply)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, "a")
        await anyio.sleep(0.01)
        tasks.start_soon(ask, "b")
    assert heard == ["111", "222"]


async def test_every_unasked_frame_is_delivered_once_with_the_time_at_which_it_came() -> None:
    transport = scripted(step(b"go?", (1.0, b"*1\n*2\n*"), (2.0, b"3\n")))
    client = client_for(transport)
    await client.send_without_reply(Ask("go"))
    heard = []
    for _ in range(3):
        answer = await client.listen()
        heard.append((answer.reply, answer.stamp.received_ns - EPOCH_NS, answer.stamp.latency_ns))
        await anyio.sleep(0.5)
    assert heard == [("*1", 1e9, None), ("*2", 1e9, None), ("*3", 2e9, None)]


async def test_listening_can_be_cancelled_in_the_middle_of_a_frame() -> None:
    client = client_for(scripted(step(b"go?", (1.0, b"*1"), (2.0, b"2\n"))))
    await client.send_without_reply(Ask("go"))
    with anyio.move_on_after(1.5):
        await client.listen()
    assert (await client.listen()).reply == "*12"


async def test_overhearing_takes_what_has_come_and_does_not_wait() -> None:
    transport = scripted(step(b"", (0.1, b"*1\n*2\n*3"), (0.2, b"4\n")))
    await transport.send(b"")
    client = client_for(transport)
    assert client.receive_unsolicited_nowait() is None
    await anyio.sleep(0.15)
    heard = [client.receive_unsolicited_nowait() for _ in range(3)]
    assert [answer and answer.reply for answer in heard] == ["*1", "*2", None]
    await anyio.sleep(0.1)
    assert (await client.listen()).reply == "*34"


async def test_what_was_owed_when_the_port_was_lost_is_still_owed_when_it_is_back() -> None:
    """Behind a device server, or a USB adapter, the instrument knows nothing of our cable."""
    transport = scripted(step(b"a?"), step(b"m10?", b"111\n0000000010\n"), step(b"b?", b"222\n"))
    client = client_for(transport, markers=True)
    await fails(client, "a")
    client.reopened()
    assert (await client.transact(Ask("b"))).reply == "222"
    assert done(transport)


async def test_after_a_port_is_back_the_line_has_to_be_silent_before_it_is_asked() -> None:
    transport = scripted(step(b"a?", (5.2, b"111\n")), step(b"b?", (0.1, b"222\n")))
    client = client_for(transport)
    await fails(client, "a")
    await anyio.sleep(4.5)
    client.reopened()
    assert (await client.transact(Ask("b"))).reply == "222"
    assert client.counters.stale_bytes == 4


async def test_half_a_late_reply_is_not_joined_to_what_an_instrument_says_of_itself() -> None:
    client = client_for(scripted(step(b"a?", (0.4, b"*1"), (0.6, b"\n"), (2.0, b"*2\n"))))
    await fails(client, "a")
    with anyio.move_on_after(0.3):
        await client.transact(Ask("b"))
    assert (await client.listen()).reply == "*2"
