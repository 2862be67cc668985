"""Serial ports over real pseudo-terminals, and TCP: the part of the path that the kernel provides."""

import errno
import gc
import os
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from riglog.errors import (
    ConfigError,
    ConnectionLostError,
    PortBusyError,
    PortError,
    PortNotFoundError,
    PortSettingsError,
    UnsupportedError,
)
from riglog.simulation import FaultyWire, Simulator
from riglog.simulation.serve import PtyServer, serve_pty, serve_tcp
from riglog.transport import Link, Transport, open_transport, serial_settings
from riglog.transport import serial as serial_port
from riglog.transport.link import Parity
from riglog.transport.listening import listening_link, open_listening
from riglog.transport.serial import SerialPort
from riglog.transport.serial_windows import ThreadedSerialTransport
from riglog.transport.tcp import KEEPALIVE_OPTIONS, open_tcp

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")]

LINK = Link(protocol="echo")


class Mirror(Simulator):
    """Returns what it receives."""

    latency = 0.0

    def receive(self, data: bytes, now: float) -> bytes:
        return data


async def echoed(transport: Transport, text: bytes) -> bytes:
    await transport.send(text)
    received = b""
    with anyio.fail_after(5):
        while len(received) < len(text):
            received += await transport.receive()
    return received


async def test_bytes_that_are_sent_are_received_again() -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, LINK)
        assert await echoed(transport, bytes(range(256)) * 8) == bytes(range(256)) * 8
        await transport.aclose()


@pytest.mark.parametrize(
    ("settings", "ignored"),
    [
        ({"parity": "E", "bytesize": 7}, 'bytesize = 7 and parity = "E"'),
        ({"parity": "O", "bytesize": 7}, 'bytesize = 7 and parity = "O"'),
        ({"parity": "E"}, 'parity = "E"'),
        ({}, None),
    ],
)
async def test_a_port_that_ignores_settings_is_an_error_and_a_pseudo_terminal_is_not(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], ignored: str | None
) -> None:
    link = Link(protocol="echo", **settings)
    async with serve_pty(FaultyWire(Mirror())) as server:
        await (await open_transport(server.path, link)).aclose()
        monkeypatch.setattr(serial_settings, "PSEUDO_TERMINALS", ())  # the kernel gives it neither parity nor 7 bits
        if ignored is None:
            await (await open_transport(server.path, link)).aclose()
            return
        with pytest.raises(PortSettingsError) as caught:
            await open_transport(server.path, link)
        assert caught.value.message == f"the port ignores {ignored}"
        monkeypatch.undo()
        await (await open_transport(server.path, link)).aclose()  # it was closed


@pytest.mark.parametrize("parity", ["N", "E", "O"])
async def test_settings_that_a_pty_refuses_can_be_opened_again_and_again(parity: Parity) -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        for _ in range(3):
            transport = await open_transport(server.path, Link(protocol="echo", parity=parity, bytesize=7))
            assert await echoed(transport, b"hello") == b"hello"
            await transport.aclose()


@pytest.mark.parametrize(("parity", "checked"), [("N", False), ("E", True), ("O", True)])
async def test_the_kernel_checks_parity_where_there_is_one(parity: Parity, checked: bool) -> None:
    import termios  # not on Windows

    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, Link(protocol="echo", parity=parity))
        observer = os.open(server.path, os.O_RDONLY | os.O_NOCTTY)
        iflag = termios.tcgetattr(observer)[0]
        os.close(observer)
        assert bool(iflag & termios.INPCK) is checked
        assert not iflag & (termios.IGNPAR | termios.PARMRK | termios.ISTRIP)
        await transport.aclose()


async def test_unread_input_can_be_discarded() -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, LINK)
        await transport.send(b"12345")
        with anyio.fail_after(5):
            discarded = 0
            while discarded < 5:
                await anyio.lowlevel.checkpoint()
                discarded += transport.discard_input()
        assert transport.receive_nowait() == b""
        assert await echoed(transport, b"new") == b"new"
        await transport.aclose()


async def test_an_unplugged_cable_is_a_lost_connection_for_a_waiting_receive() -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, LINK)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_unplug, server)
            with anyio.fail_after(5), pytest.raises(ConnectionLostError) as caught:
                await transport.receive()
        assert str(caught.value.context["port"]).startswith("/dev/")
        await transport.aclose()


async def _unplug(server: PtyServer) -> None:
    await anyio.wait_all_tasks_blocked()
    server.unplug()


async def test_closing_a_port_ends_the_wait_of_its_reader() -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, LINK)

        async def close() -> None:
            await anyio.sleep(0.05)
            await transport.aclose()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close)
            with anyio.fail_after(5), pytest.raises(anyio.ClosedResourceError):
                await transport.receive()


async def test_a_port_that_is_already_open_is_busy() -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, LINK)
        with pytest.raises(PortBusyError):
            await open_transport(server.path, LINK)
        await transport.aclose()
        again = await open_transport(server.path, LINK)
        await again.aclose()


async def test_a_port_that_does_not_exist_and_a_file_that_is_not_a_port_are_different_errors(tmp_path: Path) -> None:
    with pytest.raises(PortNotFoundError):
        await open_transport(str(tmp_path / "ttyUSB7"), LINK)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(PortError):
        await open_transport(str(tmp_path / "file"), LINK)
    assert (tmp_path / "file").read_text() == "precious"


async def test_control_lines_are_set_while_opening_and_not_after_a_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pty has no control lines, so the test observes what pyserial is asked to set."""
    import serial

    levels: list[tuple[str, bool]] = []
    for line in ("dtr", "rts"):

        def update(port: Any, line: str = line) -> None:
            levels.append((line, getattr(port, line)))

        monkeypatch.setattr(serial.Serial, f"_update_{line}_state", update)
    async with serve_pty(FaultyWire(Mirror())) as server:
        for dtr, rts in ((False, True), (True, False), (False, False)):
            levels.clear()
            transport = await open_transport(server.path, Link(protocol="echo", dtr=dtr, rts=rts))
            await transport.aclose()
            assert levels == [("dtr", dtr), ("rts", rts)]


async def test_a_usb_serial_number_is_looked_up_at_every_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that reappears under another name is found again."""
    async with serve_pty(FaultyWire(Mirror())) as first, serve_pty(FaultyWire(Mirror())) as second:
        for server in (first, second):
            plugged = [SerialPort("/dev/ttyS0", "built in", None), SerialPort(server.path, "adapter", "FT3BNM1O")]
            monkeypatch.setattr(serial_port, "serial_ports", lambda plugged=plugged: plugged)
            transport = await open_transport("usb:FT3BNM1O", LINK)
            assert transport.port == "usb:FT3BNM1O"
            with pytest.raises(PortBusyError):
                await open_transport(server.path, LINK)
            await transport.aclose()
        with pytest.raises(PortNotFoundError) as caught:
            await open_transport("usb:OTHER", LINK)
        assert caught.value.hint == "USB serial adapters found: FT3BNM1O"


async def test_a_link_to_a_pseudo_terminal_leads_to_it_and_is_removed_afterwards(tmp_path: Path) -> None:
    link = tmp_path / "ttySIM"
    async with serve_pty(FaultyWire(Mirror()), link=link):
        transport = await open_transport(str(link), LINK)
        assert await echoed(transport, b"hello") == b"hello"
        await transport.aclose()
    assert not os.path.lexists(link)


async def test_the_thread_port_for_systems_without_waitable_handles_works_over_a_pty() -> None:
    import serial

    async with serve_pty(FaultyWire(Mirror())) as server:
        opened = await anyio.to_thread.run_sync(lambda: serial.Serial(server.path, timeout=0.05, write_timeout=2))
        transport = ThreadedSerialTransport(opened, server.path)
        assert await echoed(transport, b"hello") == b"hello"
        with anyio.move_on_after(0.02) as scope:
            await transport.receive()
        assert scope.cancelled_caught
        assert await echoed(transport, b"not stolen") == b"not stolen"
        await transport.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await transport.receive()


async def test_a_tcp_device_server_is_a_port_like_any_other() -> None:
    async with serve_tcp(FaultyWire(Mirror())) as port:
        transport = await open_transport(port, LINK)
        assert await echoed(transport, b"hello") == b"hello"
        assert transport.discard_input() == 0
        await transport.aclose()
    with pytest.raises(PortError):
        await open_transport(port, LINK)


async def test_a_port_that_cannot_be_set_up_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import serial

    from riglog.transport import serial as door

    opened: list[serial.Serial] = []

    def refuse(fd: int) -> None:
        raise termios.error(22, "Invalid argument")

    class Remembered(serial.Serial):  # type: ignore[misc]
        def open(self) -> None:
            opened.append(self)
            super().open()

    monkeypatch.setattr(serial, "Serial", Remembered)
    monkeypatch.setattr(door, "check_parity", refuse)
    master, slave = os.openpty()
    try:
        with pytest.raises(PortError):
            await door.open_serial(os.ttyname(slave), Link(protocol="p", parity="E", bytesize=7))
        assert not opened[0].is_open
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("call", "number", "expected"),
    [
        ("fcntl.flock", errno.EAGAIN, "port in use by another program"),
        ("fcntl.flock", errno.EIO, "cannot open the port: Input/output error"),
        ("termios.tcgetattr", errno.EIO, "cannot open the port: Input/output error"),
        ("termios.tcsetattr", errno.EINTR, "cannot open the port: Interrupted system call"),
        ("termios.tcsetattr", errno.EAGAIN, "cannot open the port: Resource temporarily unavailable"),
        ("termios.tcflush", errno.ENXIO, "port not found"),
    ],
)
async def test_a_call_that_fails_while_a_port_is_opened_is_named_in_the_words_of_the_operating_system(
    monkeypatch: pytest.MonkeyPatch, call: str, number: int, expected: str
) -> None:
    """As they were seen when each call of a port was made to fail: pyserial gives them as tuples and in brackets."""

    def refuse(*_: object) -> None:
        raise (termios.error if call.startswith("termios") else OSError)(number, os.strerror(number))

    master, slave = os.openpty()
    port = os.ttyname(slave)
    monkeypatch.setattr(f"serial.serialposix.{call}", refuse)
    try:
        with pytest.raises(PortError) as caught:
            await open_transport(port, Link(protocol="p", parity="E", bytesize=7))
        assert caught.value.message == expected
    finally:
        os.close(master)
        os.close(slave)


@pytest.fixture
def closing_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let every close of a port fail from now on: as on Linux its number is free all the same."""
    close = os.close

    def arm(port: str) -> None:
        def close_and_fail(fd: int) -> None:
            try:
                ours = os.ttyname(fd) == port
            except OSError:
                ours = False
            close(fd)
            if ours:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "close", close_and_fail)

    return arm


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_a_port_that_cannot_be_closed_is_closed_and_no_other_file_ever_is(
    closing_fails: Callable[[str], None],
) -> None:
    """pyserial kept the number of the descriptor, and closed it again when the object was collected."""
    master, slave = os.openpty()
    port = os.ttyname(slave)
    os.close(slave)
    before = open_descriptors()
    transport = await open_transport(port, LINK)
    ended = anyio.Event()

    async def receive(transport: Transport = transport) -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await transport.receive()
        ended.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await anyio.sleep(0.05)
            closing_fails(port)
            await transport.aclose()
            await ended.wait()
    assert open_descriptors() == before
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]  # some have the numbers of the port
    del transport, receive
    gc.collect()
    for other in others:
        os.fstat(other)
        os.close(other)
    opened = await open_transport(port, LINK)  # not locked any more
    await opened.aclose()
    os.close(master)


@pytest.mark.skipif(sys.platform != "linux", reason="uses the names of Linux")
async def test_a_port_that_can_be_neither_set_up_nor_closed_is_an_error_of_the_port(
    closing_fails: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> None:
        raise termios.error(22, "Invalid argument")

    monkeypatch.setattr(serial_port, "check_parity", refuse)
    master, slave = os.openpty()
    port = os.ttyname(slave)
    closing_fails(port)
    with pytest.raises(PortSettingsError):
        await open_transport(port, Link(protocol="p", parity="E", bytesize=7))
    os.close(master)
    with suppress(OSError):
        os.close(slave)


async def test_a_port_is_closed_also_if_the_system_starts_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened again when the system does."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    async with serve_pty(FaultyWire(Mirror())) as server:
        transport = await open_transport(server.path, LINK)
        with monkeypatch.context() as patched:
            patched.setattr(serial_port, "start_daemon", refuse)
            await transport.aclose()
            for _ in range(2):
                with pytest.raises(PortError, match="cannot open the port: the system starts no more threads"):
                    await open_transport(server.path, LINK)
        again = await open_transport(server.path, LINK)
        assert await echoed(again, b"again") == b"again"
        await again.aclose()


async def test_a_driver_that_blocks_while_a_port_is_closed_costs_the_other_ports_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes on in its thread. Until it returns the port is not opened again, and then it is."""
    closes, returns = serial_port.close_port, threading.Event()
    monkeypatch.setattr(serial_port, "CLOSE_BLOCKS_SECONDS", 0.2)
    async with serve_pty(FaultyWire(Mirror())) as stuck, serve_pty(FaultyWire(Mirror())) as other:

        def block(opened: Any) -> None:
            if opened.port == stuck.path:
                returns.wait(20)
            closes(opened)

        monkeypatch.setattr(serial_port, "close_port", block)
        blocked, works = await open_transport(stuck.path, LINK), await open_transport(other.path, LINK)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(blocked.aclose)
                assert await echoed(works, b"meanwhile") == b"meanwhile"
                assert not returns.is_set()
            with pytest.raises(PortError, match="closing it still blocks"):
                await open_transport(stuck.path, LINK)
        finally:
            returns.set()
        with anyio.fail_after(5):
            while not serial_port._closing[stuck.path].ended:
                await anyio.sleep(0.01)
        again = await open_transport(stuck.path, LINK)
        assert await echoed(again, b"again") == b"again"
        await again.aclose()
        await works.aclose()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
async def test_the_loss_of_a_device_server_is_detected_by_keepalive() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = await open_tcp(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        options = [
            transport._socket.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name, _ in KEEPALIVE_OPTIONS
        ]
        assert options == [value for _, value in KEEPALIVE_OPTIONS]
        await transport.aclose()


@pytest.mark.parametrize("target", ["/dev/pts/9999", "adapter", None])
async def test_a_link_is_replaced_only_if_a_simulator_has_left_it(tmp_path: Path, target: str | None) -> None:
    path = tmp_path / "ttySIM"
    path.touch() if target is None else path.symlink_to(target)
    if target is not None and target.startswith("/dev/pts"):
        async with serve_pty(FaultyWire(Mirror()), link=path) as server:
            assert os.readlink(path) == server.path
        return
    with pytest.raises(ConfigError, match="not the link of a simulator"):
        async with serve_pty(FaultyWire(Mirror()), link=path):
            pass
    assert path.is_symlink() == (target is not None)
    assert os.path.lexists(path)


@pytest.fixture
def blocking_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A port whose driver blocks while it is opened, until somebody opens the other end."""
    path, opens = tmp_path / "blocks", serial_port._open
    os.mkfifo(path)

    def open_(port: str, *args: Any) -> Any:
        if port == str(path):
            return os.fdopen(os.open(path, os.O_RDONLY), "rb")
        return opens(port, *args)

    monkeypatch.setattr(serial_port, "_open", open_)
    monkeypatch.setattr(serial_port, "OPEN_SECONDS", 0.2)
    return path


async def test_a_port_that_does_not_open_keeps_no_other_port_closed_and_no_task_waiting(blocking_port: Path) -> None:
    errors: list[PortError] = []

    async def attempt() -> None:
        with pytest.raises(PortError) as refused:
            await open_transport(str(blocking_port), LINK)
        errors.append(refused.value)

    async with serve_pty(FaultyWire(Mirror())) as server, anyio.create_task_group() as tasks:
        threads = threading.active_count()
        tasks.start_soon(attempt)
        await anyio.lowlevel.checkpoint()
        transport = await open_transport(server.path, LINK)
        assert await echoed(transport, b"hello") == b"hello"
        await transport.aclose()
        while not errors:
            await anyio.sleep(0.02)
        await attempt()
        assert [error.message for error in errors] == [
            "port does not open within 0.2 s",
            "port does not open: an earlier attempt still blocks",
        ]
        assert threading.active_count() <= threads + 1, "each attempt has a thread"
        os.close(os.open(blocking_port, os.O_WRONLY))


async def test_a_port_that_opens_too_late_is_closed_again(blocking_port: Path) -> None:
    with anyio.move_on_after(0.05):
        await open_transport(str(blocking_port), LINK)
    assert serial_port._opening
    other_end = os.open(blocking_port, os.O_WRONLY)
    with anyio.fail_after(5):
        while not serial_port._opening[str(blocking_port)].ended:
            await anyio.sleep(0.01)
        while _has_reader(other_end):
            await anyio.sleep(0.01)
    os.close(other_end)


def _has_reader(pipe: int) -> bool:
    try:
        os.write(pipe, b"x")
    except BrokenPipeError:
        return False
    return True


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_port_that_does_not_open_does_not_keep_the_program_from_ending(tmp_path: Path, backend: str) -> None:
    os.mkfifo(tmp_path / "blocks")
    program = f"""
import anyio, os
from riglog.transport import Link, open_transport, serial
serial._open = lambda *args: os.open({str(tmp_path / "blocks")!r}, os.O_RDONLY)
async def main():
    with anyio.move_on_after(0.05):
        await open_transport("/dev/blocks", Link(protocol="p"))
anyio.run(main, backend={backend!r})
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


async def test_a_port_that_is_listened_to_receives_and_the_operating_system_refuses_to_write() -> None:
    async with serve_pty(FaultyWire(Mirror())) as server:
        listening = await open_listening(server.path, Link(protocol="echo", rtscts=True, xonxoff=True))
        try:
            inner = listening.inner  # type: ignore[attr-defined]
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(inner._fd, b"x")
            with pytest.raises(UnsupportedError, match="only listened to"):
                await listening.send(b"x")
            with pytest.raises(PortBusyError):
                await open_transport(server.path, LINK)
            os.write(server._controller, b"seen")
            with anyio.fail_after(5):
                assert await listening.receive() == b"seen"
        finally:
            await listening.aclose()
        again = await open_transport(server.path, LINK)
        await again.aclose()


def test_a_port_that_is_listened_to_has_no_flow_control_and_raises_no_control_line() -> None:
    link = listening_link(Link(protocol="echo", rtscts=True, xonxoff=True, echo=True))
    assert (link.rtscts, link.xonxoff, link.echo, link.dtr, link.rts) == (False, False, False, False, False)
    assert listening_link(Link(protocol="echo", dtr=True)).dtr
