"""A port that sends without end, or accepts nothing, costs the others nothing: real pseudo-terminals and sockets."""

import errno
import os
import socket
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio
import anyio.lowlevel
import pytest
from toy import Ask, ToyCodec, ToyConfig, ToyDriver

from riglog.acquire import record
from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog.manager import Manager
from riglog.model import SYSTEM_CLOCK, Batch, EventKind, Status
from riglog.plugin import Registry
from riglog.protocol import Connection, ProtocolClient
from riglog.transport import Link, Transport, input_wait, nonblocking, open_transport, read_limit
from riglog.transport.read_limit import BURST_BYTES, BYTES_PER_SECOND, ReadLimit

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")]

LINK = Link(protocol="toy")
MAX_DELAY = 0.5
"""Seconds for which a flooded port may keep another task from running, on a computer that is busy with other tests.
What is looked for is a program that stands still; how long it takes on a quiet one is a matter of benchmarks."""


class Instrument:
    """The toy instrument on a pseudo-terminal, in a thread; ``flood`` makes it send without end."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.flooding = False
        self.sent = 0
        self._simulator = ToyDriver().simulator(ToyConfig(name="x", driver="toy", port="-"))
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        os.set_blocking(self.master, False)
        while not self._ended:
            with suppress(BlockingIOError):
                if self.flooding:
                    self.sent += os.write(self.master, b"hello world " * 300)
                    continue
                os.write(self.master, self._simulator.receive(os.read(self.master, 4096), 0.0))
            time.sleep(0.0005)

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        os.close(self.master)
        os.close(self._slave)


@contextmanager
def instruments(count: int) -> Iterator[list[Instrument]]:
    opened = [Instrument() for _ in range(count)]
    try:
        yield opened
    finally:
        for instrument in opened:
            instrument.close()


class Pulse:
    """Runs beside a port, and measures how long it was kept from running."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            before = time.monotonic()
            await anyio.sleep(0.002)
            self.longest = max(self.longest, time.monotonic() - before)


async def test_a_transaction_on_a_flooded_port_ends_in_time_and_keeps_no_other_task_from_running() -> None:
    pulse = Pulse()
    with instruments(1) as (flooder,):
        transport = await open_transport(flooder.path, LINK)
        client = ProtocolClient(Connection(transport, LINK), ToyCodec(), timeout=0.2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pulse.run)
            await client.transact(Ask(1, "level"))
            flooder.flooding = True
            reasons = set()
            for _ in range(4):
                before = time.monotonic()
                with pytest.raises(ReplyTimeoutError) as caught:
                    await client.transact(Ask(1, "level"))
                reasons.add(caught.value.message)
                assert time.monotonic() - before < 1.5
            tasks.cancel_scope.cancel()
        assert "no request sent: data arrives without end" in reasons
        assert len(client.line._buffer) < 2 * BURST_BYTES
        await transport.aclose()
    assert pulse.longest < MAX_DELAY


async def test_listening_to_a_flood_without_a_frame_keeps_nothing_and_can_be_cancelled() -> None:
    pulse = Pulse()

    class Endless(ToyCodec):
        def unsolicited(self, buffer: bytearray) -> str | None:
            return None

    with instruments(1) as (flooder,):
        transport = await open_transport(flooder.path, LINK)
        client = ProtocolClient(Connection(transport, LINK), Endless())
        flooder.flooding = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pulse.run)
            with anyio.move_on_after(1) as scope:
                await client.listen()
            tasks.cancel_scope.cancel()
        assert scope.cancelled_caught
        assert client.counters.stale_bytes > BURST_BYTES
        assert len(client.line._buffer) < 2 * BURST_BYTES
        await transport.aclose()
        assert flooder.sent < 3 * (BURST_BYTES + BYTES_PER_SECOND)  # it is stopped by the operating system
    assert pulse.longest < MAX_DELAY


async def flooded_tcp() -> tuple[Transport, socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    transport = await open_transport(f"tcp://127.0.0.1:{listener.getsockname()[1]}", LINK)
    peer, _ = listener.accept()
    listener.close()

    def flood() -> None:
        with suppress(OSError):
            while True:
                peer.sendall(bytes(65536))

    threading.Thread(target=flood, daemon=True).start()
    return transport, peer


async def test_what_has_arrived_is_read_up_to_a_limit_and_the_rest_is_reported() -> None:
    transport, peer = await flooded_tcp()
    with anyio.fail_after(5):
        discarded = 0
        while not transport.flooded:
            discarded += transport.discard_input()
            await anyio.lowlevel.checkpoint()
    assert BURST_BYTES <= discarded < 2 * BURST_BYTES
    assert transport.receive_nowait() == b""
    peer.close()
    await transport.aclose()


async def test_a_tcp_connection_that_is_flooded_is_given_up_because_of_what_both_ends_keep_of_it() -> None:
    transport, peer = await flooded_tcp()
    with anyio.fail_after(5), pytest.raises(ConnectionLostError, match="data arrives without end"):
        while True:
            transport.receive_nowait()
            await anyio.lowlevel.checkpoint()
    peer.close()
    await transport.aclose()


async def test_a_port_whose_flood_has_ended_is_clean_again() -> None:
    with instruments(1) as (flooder,):
        transport = await open_transport(flooder.path, LINK)
        client = ProtocolClient(Connection(transport, LINK), ToyCodec(), timeout=0.2)
        flooder.flooding = True
        with pytest.raises(ReplyTimeoutError):
            await client.transact(Ask(1, "level"))
        flooder.flooding = False
        with anyio.fail_after(10):
            while True:
                try:
                    assert (await client.transact(Ask(1, "level"))).reply.isdecimal()
                    break
                except ReplyTimeoutError:
                    await anyio.sleep(0.05)
        await transport.aclose()


async def test_a_flooded_port_costs_its_neighbour_no_slot_and_memory_stays_bounded(registry: Registry) -> None:
    batches: list[Batch] = []
    with instruments(2) as (flooder, quiet):
        async with Manager(registry=registry) as manager:
            await manager.add("flooder", flooder.path, driver="toy")
            await manager.add("quiet", quiet.path, driver="toy")
            async with record(manager, rate_hz=4, duration=60, clock=SYSTEM_CLOCK) as recording:

                async def take() -> None:
                    async for batch in recording.stream:
                        batches.append(batch)

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(take)
                    await anyio.sleep(0.5)
                    flooder.flooding = True
                    await anyio.sleep(1)
                    before = resident_bytes()
                    await anyio.sleep(2)
                    grown = resident_bytes() - before
                    stopped = time.monotonic()
                    recording.stop()
                assert time.monotonic() - stopped < 2
    assert grown < 4_000_000
    rows = [batch.samples[0] for batch in batches if batch.samples[0].device == "quiet"]
    assert [row.status for row in rows] == [Status.OK] * len(rows)
    assert recording.summary.sources[quiet.path].slots_skipped == 0
    reasons = {sample.error for batch in batches for sample in batch.samples if sample.device == "flooder"}
    assert any("data arrives without end" in (reason or "") for reason in reasons)
    told = [event for event in recording.take_events() if event.kind is EventKind.DEVICE_NOT_RESPONDING]
    assert [event.device for event in told] == ["flooder"]


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_line_that_is_stopped_is_a_lost_connection_after_a_time_and_does_not_spin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nonblocking, "SEND_SECONDS", 0.3)
    master, slave = os.openpty()
    tty.setraw(slave)
    transport = await open_transport(os.ttyname(slave), Link(protocol="toy", xonxoff=True))
    os.write(master, b"\x13")  # XOFF
    used = time.process_time()
    with anyio.fail_after(5), pytest.raises(ConnectionLostError, match="the port accepts no data") as caught:
        while True:
            await transport.send(b"?1 level\n")
    assert caught.value.context["port"] == os.ttyname(slave)
    assert time.process_time() - used < 0.5
    with anyio.fail_after(1):
        await transport.aclose()
    os.close(master)
    os.close(slave)


async def test_a_tcp_peer_that_receives_nothing_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonblocking, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(nonblocking, "SLOWEST_BYTES_PER_SECOND", 1_000_000)
    listener = socket.create_server(("127.0.0.1", 0))
    transport = await open_transport(f"tcp://127.0.0.1:{listener.getsockname()[1]}", LINK)
    peer, _ = listener.accept()
    with anyio.fail_after(10), pytest.raises(ConnectionLostError, match="the port accepts no data"):
        while True:
            await transport.send(bytes(100_000))
    for opened in (peer, listener):
        opened.close()
    await transport.aclose()


async def test_a_stopped_line_is_an_event_of_the_recording_which_ends_when_it_is_stopped(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonblocking, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(nonblocking.NonblockingTransport, "_write_available", lambda transport, data: 0)
    with instruments(1) as (stopped,):
        async with Manager(registry=registry) as manager:
            with pytest.raises(ConnectionLostError, match="the port accepts no data"), anyio.fail_after(5):
                await manager.add("one", stopped.path, driver="toy")
            monkeypatch.undo()
            await manager.add("one", stopped.path, driver="toy")
            monkeypatch.setattr(nonblocking, "SEND_SECONDS", 0.2)
            monkeypatch.setattr(nonblocking.NonblockingTransport, "_write_available", lambda transport, data: 0)
            with anyio.fail_after(5):
                async with record(manager, rate_hz=10, duration=1, clock=SYSTEM_CLOCK) as recording:
                    batches = [batch async for batch in recording.stream]
    assert [batch.tick for batch in batches] == list(range(10))
    assert EventKind.PORT_LOST in [event.kind for event in recording.events]


def test_the_limit_is_a_burst_and_then_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(read_limit.time, "monotonic", lambda: now)
    limit = ReadLimit()
    limit.spend(BURST_BYTES)
    assert limit.exhausted
    now += 1000
    read = 0
    while not limit.exhausted:
        limit.spend(4096)
        read += 4096
    assert read <= BURST_BYTES + 4096  # a long time without input allows no larger burst
    now += 0.5
    read = 0
    while not limit.exhausted:
        limit.spend(4096)
        read += 4096
    assert read <= min(BURST_BYTES, BYTES_PER_SECOND / 2) + 4096


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOSPC, errno.EINTR])
async def test_a_port_that_the_operating_system_does_not_watch_is_a_lost_connection(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with instruments(1) as (quiet,):
        transport = await open_transport(quiet.path, LINK)
        monkeypatch.setattr(input_wait.AnyioInputWait, "_receive", refuse)
        monkeypatch.setattr(input_wait.RegisteredInputWait, "receive", refuse)
        with pytest.raises(ConnectionLostError, match=os.strerror(number)):
            await transport.receive()
        monkeypatch.undo()
        await transport.aclose()


async def test_a_port_that_cannot_be_closed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with instruments(1) as (quiet,):
        transport = await open_transport(quiet.path, LINK)
        really = os.close

        def close(file: int) -> None:
            really(file)
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "close", close)
        await transport.aclose()
        monkeypatch.undo()
        with pytest.raises(anyio.ClosedResourceError):
            await transport.receive()
