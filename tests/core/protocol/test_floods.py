"""More is received than can be replies: the line is busy, memory is bounded, and no half of a frame becomes a value."""

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
from toy import Ask, ToyCodec

from riglog.errors import ReplyTimeoutError
from riglog.protocol import Connection, ProtocolClient
from riglog.protocol.line import MAX_LATE_BYTES, MAX_REPLY_BYTES, MAX_UNSOLICITED_BYTES
from riglog.testing import LoopClock
from riglog.transport import Link, Transport

LINK = Link(protocol="toy")
CHUNK = 4096


class Flooded(Transport):
    """Returns what ``peer`` gives, without end."""

    def __init__(self, peer: Callable[[], bytes], *, flooded: bool = False) -> None:
        self.port = "flooded"
        self.peer = peer
        self.flooded = flooded
        self.received = self.sent = 0

    async def receive(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        data = self.peer()
        self.received += len(data)
        return data

    async def send(self, data: bytes) -> None:
        self.sent += 1

    def receive_nowait(self) -> bytes:
        return b""

    async def aclose(self) -> None:
        return None


def client_of(transport: Transport, codec: ToyCodec | None = None) -> ProtocolClient[Ask, str]:
    return ProtocolClient(Connection(transport, LINK, LoopClock()), codec or ToyCodec(), timeout=3600)


@pytest.mark.parametrize("echo", [False, True])
async def test_a_request_is_not_waited_for_when_more_is_received_than_a_reply_can_be(echo: bool) -> None:
    transport = Flooded(lambda: b"x" * CHUNK)
    link = Link(protocol="toy", echo=echo)
    client = ProtocolClient(Connection(transport, link, LoopClock()), ToyCodec(), timeout=3600)
    with pytest.raises(ReplyTimeoutError) as caught:
        await client.transact(Ask(1, "level"))
    assert transport.received <= MAX_REPLY_BYTES + CHUNK
    reply = caught.value.context["reply"]
    assert isinstance(reply, bytes)
    assert len(reply) <= CHUNK


async def test_a_hold_off_ends_as_busy_when_more_is_received_than_late_replies() -> None:
    transport = Flooded(lambda: b"x" * CHUNK)
    client = client_of(transport)
    for _ in range(2):
        with pytest.raises(ReplyTimeoutError):
            await client.transact(Ask(1, "level"))
        transport.received = 0
    with pytest.raises(ReplyTimeoutError, match="no request sent: data arrives without end"):
        await client.transact(Ask(1, "level"))
    assert transport.received <= MAX_LATE_BYTES + CHUNK
    assert transport.sent == 1


async def test_nothing_is_sent_while_input_is_left_unread_unless_it_must_be() -> None:
    transport = Flooded(lambda: b"1 level 7\n", flooded=True)
    client = client_of(transport)
    with pytest.raises(ReplyTimeoutError, match="data arrives without end") as caught:
        await client.transact(Ask(1, "level"))
    assert caught.value.reason == "line_busy"
    assert transport.sent == 0
    assert (await client.transact(Ask(1, "level"), skip_resync=True)).reply == "7"


async def test_bytes_without_a_frame_are_discarded_and_so_is_the_frame_they_belong_to() -> None:
    class Lines(ToyCodec):
        def unsolicited(self, buffer: bytearray) -> str | None:
            line, end, _ = buffer.partition(b"\n")
            if not end:
                return None
            del buffer[: len(line) + 1]
            return line.decode()

    pieces = iter([b"9" * CHUNK] * (MAX_UNSOLICITED_BYTES // CHUNK + 1) + [b"9.5\n", b"1.5\n", b"2.5\n"])
    client = client_of(Flooded(lambda: next(pieces)), Lines())
    assert [(await client.listen()).reply for _ in range(2)] == ["1.5", "2.5"]
    assert client.counters.stale_bytes > MAX_UNSOLICITED_BYTES
