"""The simulated port: a transport whose other end runs in the same process."""

import socket
import struct

import anyio
import pytest
from toy import ToySimulator

from riglog.errors import ConnectionLostError
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport
from riglog.simulation.serve import serve_tcp


def port() -> SimulatedTransport:
    return SimulatedTransport(FaultyWire(ToySimulator(1)), port="sim:toy")


async def test_a_reply_arrives_after_the_latency() -> None:
    transport = port()
    await transport.send(b"?1 who\n")
    assert transport.receive_nowait() == b""
    sent = anyio.current_time()
    assert await transport.receive() == b"1 who toy\n"
    assert anyio.current_time() - sent == pytest.approx(ToySimulator.latency)
    assert transport.sent == 7


async def test_unread_input_can_be_discarded() -> None:
    transport = port()
    await transport.send(b"?1 who\n")
    await anyio.sleep(1)
    assert transport.discard_input() == len(b"1 who toy\n")
    assert transport.receive_nowait() == b""


async def test_an_unplugged_cable_is_a_lost_connection_for_every_call() -> None:
    transport = port()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cut_later, transport)
        with pytest.raises(ConnectionLostError):
            await transport.receive()
    with pytest.raises(ConnectionLostError):
        await transport.send(b"?1 who\n")
    with pytest.raises(ConnectionLostError):
        transport.receive_nowait()


async def _cut_later(transport: SimulatedTransport) -> None:
    await anyio.sleep(1)
    transport.cut()


async def test_closing_ends_a_receive_that_waits_and_may_be_repeated() -> None:
    transport = port()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_close_later, transport)
        with pytest.raises(anyio.ClosedResourceError):
            await transport.receive()
    await transport.aclose()


async def _close_later(transport: SimulatedTransport) -> None:
    await anyio.sleep(1)
    await transport.aclose()


@pytest.mark.real_time
async def test_a_client_that_resets_its_connection_ends_no_server() -> None:
    """Also while the server sends: the next client is served."""

    class Talker(SimulatedPeer):
        def send(self, data: bytes, now: float) -> None: ...

        def take(self, now: float) -> bytes:
            return bytes(65_536)

        def next_due(self, now: float) -> float | None:
            return now + 0.001

    async with serve_tcp(Talker()) as url:
        host, _, port = url.removeprefix("tcp://").rpartition(":")
        for _ in range(3):
            client = socket.create_connection((host, int(port)))
            await anyio.sleep(0.05)
            assert client.recv(10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # with unread data: a reset
            await anyio.sleep(0.05)
