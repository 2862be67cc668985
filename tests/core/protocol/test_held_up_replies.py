"""A reply that is held up on its way while later ones pass it: never taken for a later one of its shape."""

from contextlib import nullcontext
from typing import Any

import anyio
import pytest
from adversary import Adversary, Decision, Read, SignedCodec
from toy import Ask, ToyCodec, ToySimulator

from riglog.errors import AmbiguousReplyError, ReplyTimeoutError
from riglog.protocol import Connection, ProtocolClient
from riglog.simulation import Fault, FaultyWire, SimulatedTransport
from riglog.testing import LoopClock, scripted, step
from riglog.transport import Link

LINK = Link(protocol="toy")
LEVEL, FLOW = Ask(1, "level"), Ask(1, "flow")


def client(transport: SimulatedTransport) -> ProtocolClient[Ask, str]:
    return ProtocolClient(Connection(transport, LINK, LoopClock()), ToyCodec(), timeout=0.3)


async def answered(one: ProtocolClient[Ask, str], request: Ask) -> str | None:
    try:
        return (await one.transact(request)).reply
    except (ReplyTimeoutError, AmbiguousReplyError):
        return None


@pytest.mark.parametrize("held_up", [0.35 + 0.011 * step for step in range(30)])
async def test_however_long_one_reply_is_held_up_no_later_request_gets_it(held_up: float) -> None:
    simulator = ToySimulator(1)
    one = client(SimulatedTransport(FaultyWire(simulator, script=[*[None] * 10, Fault.LATE], late=held_up)))
    values = 0
    for number in range(120):
        request = (LEVEL, FLOW)[number % 2]
        reply = await answered(one, request)
        values += reply is not None
        assert reply in (None, simulator.given[request.parameter][-1])
    assert values >= 118


async def test_two_replies_to_one_request_are_none_and_the_next_request_is_not_concerned() -> None:
    level, who = b"?1 level\n", b"?1 who\n"
    one = client(
        scripted(
            step(b"?1 flow\n", (0.005, b"1 flow 1\n")),
            step(level),
            step(who, (0.005, b"1 who toy\n")),
            step(level, (0.002, b"1 level 7\n"), (0.005, b"1 level 8\n")),
            step(level, (0.005, b"1 level 9\n")),
        )
    )
    assert await answered(one, FLOW) == "1"
    with pytest.raises(ReplyTimeoutError):
        await one.transact(LEVEL)
    with pytest.raises(AmbiguousReplyError):
        await one.transact(LEVEL)
    since = anyio.current_time()
    assert await answered(one, LEVEL) == "9"
    assert anyio.current_time() - since == pytest.approx(0.005)  # the late one is there: nothing is to be confirmed


async def test_what_comes_later_than_replies_do_is_not_believed_while_one_is_missing() -> None:
    one = client(
        scripted(
            step(b"?1 flow\n", (0.005, b"1 flow 1\n")),
            step(b"?1 level\n"),
            step(b"?1 who\n", (0.005, b"1 who toy\n")),
            step(b"?1 level\n", (0.2, b"1 level 7\n")),
            step(b"?1 level\n", (0.2, b"1 level 8\n")),
        )
    )
    assert await answered(one, FLOW) == "1"
    assert await answered(one, LEVEL) is None
    with pytest.raises(AmbiguousReplyError, match="longer than usual while an earlier reply is still outstanding"):
        await one.transact(LEVEL)
    await anyio.sleep(10)
    assert await answered(one, LEVEL) == "8"  # an instrument that has become slower is believed again


async def test_a_copy_of_the_reply_that_is_being_confirmed_is_not_a_late_one() -> None:
    """Otherwise the order of replies would prove nothing for ten minutes, and each lost reply would cost D."""
    lost, level = step(b"0\n"), step(b"0\n", (0.01, b"0 7\n"))
    marker, confirmed = step(b"100\n", (0.01, b"100 1\n")), step(b"100\n", (0.005, b"0 7\n100 1\n"))
    transport = scripted(lost, marker, level, confirmed, lost, marker, level, confirmed)
    one = ProtocolClient(Connection(transport, LINK, LoopClock()), SignedCodec(1), timeout=0.3)
    for _ in range(2):
        with pytest.raises(ReplyTimeoutError, match="no reply"):
            await one.transact(Read())
        began = anyio.current_time()
        assert (await one.transact(Read())).reply == 7
        assert anyio.current_time() - began < 2.0


async def test_the_reply_to_a_request_whose_place_an_older_one_took_is_still_to_come() -> None:
    """An older reply comes later than usual and is refused. The request's own one must not be that to a later one."""
    level = b"?1 level\n"
    one = client(
        scripted(
            step(b"?1 flow\n", (0.005, b"1 flow 1\n")),
            step(level),
            step(b"?1 who\n", (0.005, b"1 who toy\n")),
            step(level, (0.2, b"1 level 6\n"), (9.5, b"1 level 7\n")),  # that to the lost request, then its own
            step(level, (0.005, b"1 level 8\n")),
        )
    )
    assert await answered(one, FLOW) == "1"
    assert await answered(one, LEVEL) is None
    began = anyio.current_time()
    while (reply := await answered(one, LEVEL)) is None:
        pass
    assert reply == "8"
    assert 9 < anyio.current_time() - began < 11


async def test_a_copy_beside_a_reply_is_not_the_late_one() -> None:
    level, who = b"?1 level\n", b"?1 who\n"
    one = client(
        scripted(
            step(level, (0.005, b"1 level 1\n")),
            step(level),
            step(who, (0.005, b"1 who toy\n")),
            step(level, (0.005, b"1 level 3\n")),
            step(level, (0.005, b"1 level 3\n1 level 4\n")),  # a copy of the last one
            step(level, (0.004, b"1 level 2\n"), (0.02, b"1 level 5\n")),  # the late one
        )
    )
    assert [await answered(one, LEVEL) for _ in range(5)] == ["1", None, "3", None, None]


def signed(m: int, *steps: Any) -> ProtocolClient[Read, int]:
    return ProtocolClient(Connection(scripted(*steps), LINK, LoopClock()), SignedCodec(m), timeout=0.3)


async def test_a_late_reply_that_comes_while_a_second_one_is_listened_for_has_arrived() -> None:
    one = signed(
        2,
        step(b"0\n"),
        step(b"1\n", (0.005, b"1 2\n")),
        step(b"1\n"),
        step(b"0\n", (0.005, b"0 4\n"), (0.02, b"1 3\n")),  # with the late reply to the request before
        step(b"1\n", (0.005, b"1 5\n")),
    )
    for expected in (None, 2, None, 4):
        with nullcontext() if expected else pytest.raises(ReplyTimeoutError):
            assert (await one.transact(Read())).reply == expected
    began = anyio.current_time()
    assert (await one.transact(Read())).reply == 5
    assert anyio.current_time() - began == pytest.approx(0.005)  # its variant is free: nothing is to be confirmed


async def test_a_late_reply_in_the_exchange_that_confirms_is_no_copy() -> None:
    one = signed(
        1,
        step(b"0\n"),
        step(b"100\n", (0.005, b"100 1\n")),
        step(b"0\n", (0.005, b"0 3\n")),
        step(b"100\n", (0.003, b"0 2\n"), (0.005, b"100 1\n")),
        step(b"0\n", (0.005, b"0 5\n")),  # if copies were known, another request would confirm it
    )
    with pytest.raises(ReplyTimeoutError):
        await one.transact(Read())
    with pytest.raises(AmbiguousReplyError, match="two different replies"):
        await one.transact(Read())
    assert (await one.transact(Read())).reply == 5


class SlowCodec(SignedCodec):
    """It leaves a gap before each request."""

    inter_frame_gap = 0.01
    needs_gap_everywhere = True


@pytest.mark.parametrize("cancelled", [0.001 * step for step in range(1, 60, 2)])
async def test_an_exchange_that_is_cancelled_at_any_time_does_not_stop_the_port(cancelled: float) -> None:
    """Also in the gap before the request that confirms it."""
    far = Adversary({number: Decision((0.005,)) for number in range(200)})
    link = Link(protocol="signed", strict=True, late_reply_limit=1.0)
    one = ProtocolClient(Connection(SimulatedTransport(far), link, LoopClock()), SlowCodec(1), timeout=0.3)
    for _ in range(3):
        await one.transact(Read())
    with anyio.move_on_after(cancelled):
        await one.transact(Read())
    await anyio.sleep(2.0)
    number = far.requests
    assert (await one.transact(Read())).reply >= number


async def test_the_second_of_two_replies_shows_that_the_order_was_changed_if_the_late_one_was_passed() -> None:
    """From then on order is no proof: the late reply to a third request must not be that to a fourth, which is lost."""
    level, who = b"?1 level\n", b"?1 who\n"
    one = client(
        scripted(
            step(b"?1 flow\n", (0.005, b"1 flow 1\n")),
            step(level),
            step(who, (0.005, b"1 who toy\n")),
            step(level, (0.002, b"1 level 7\n"), (0.005, b"1 level 8\n")),  # the first one is late
            step(level),
            step(who, (0.005, b"1 who toy\n")),
            step(level, (0.005, b"1 level 9\n")),
        )
    )
    assert await answered(one, FLOW) == "1"
    assert [await answered(one, LEVEL) for _ in range(3)] == [None, None, None]
    assert one.line._evidence.reordered_until > one.line.clock.monotonic_ns()
    assert await answered(one, LEVEL) in (None, "9")
