"""Ports of device servers with RFC 2217: against pyserial's server, and against ser2net where it is installed."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import pytest
from processes import running
from serial.rfc2217 import PortManager
from toy import ToyConfig, ToyDriver

from riglog.errors import ConnectionLostError, PortError, PortSettingsError
from riglog.manager import Manager
from riglog.plugin import Registry
from riglog.transport import Link, nonblocking, open_transport
from riglog.transport.rfc2217 import COM_PORT, OF_THE_SERVER, Rfc2217Transport, open_rfc2217
from riglog.transport.telnet import DO, DONT, IAC, WILL, WONT, escaped, subnegotiation

pytestmark = pytest.mark.real_time

LINK = Link(protocol="toy", baudrate=19200, bytesize=7, parity="E", stopbits=2, rts=False, dtr=True)
EVERY_BYTE = bytes(range(256)) * 3 + b"\xff\xff\r\n\r\0\xff"


class DeviceServer:
    """One port of a device server: the settings it has, and what an instrument behind it responds."""

    def __init__(self, respond: Callable[[bytes], bytes], **fixed: Any) -> None:
        self.serial = SimpleNamespace(
            baudrate=9600, bytesize=8, parity="N", stopbits=1, xonxoff=False, rtscts=False, dtr=True, rts=True,
            cts=True, dsr=True, ri=False, cd=True,
        )  # fmt: skip
        self.settings_during: list[tuple[Any, ...]] = []
        self._fixed = fixed
        self._respond = respond
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self.peer: socket.socket | None = None
        self.manager: Any = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self.peer, _ = self._listener.accept()
                self.write = self.peer.sendall
                self.manager = PortManager(self.serial, self)
                while received := self.peer.recv(4096):
                    data = b"".join(self.manager.filter(received))
                    vars(self.serial).update(self._fixed)
                    if data:
                        self.settings_during.append((self.serial.baudrate, self.serial.parity, self.serial.rts))
                        self.peer.sendall(escaped(self._respond(data)))
                self.peer.close()

    def report(self, command: int, value: bytes) -> None:
        assert self.peer is not None
        self.peer.sendall(subnegotiation(COM_PORT, bytes((command + OF_THE_SERVER,)) + value))

    def close(self) -> None:
        for opened in (self._listener, self.peer):
            if opened is not None:
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)
                opened.close()


@contextmanager
def device_server(respond: Callable[[bytes], bytes] = lambda data: data, **fixed: Any) -> Iterator[DeviceServer]:
    server = DeviceServer(respond, **fixed)
    try:
        yield server
    finally:
        server.close()


async def received(transport: Any, count: int) -> bytes:
    data = b""
    with anyio.fail_after(5):
        while len(data) < count:
            data += await transport.receive()
    return data


async def test_the_settings_of_the_link_are_made_and_every_byte_goes_both_ways() -> None:
    with device_server() as server:
        transport = await open_transport(server.port, LINK)
        serial = server.serial
        assert (serial.baudrate, serial.bytesize, serial.parity, serial.stopbits) == (19200, 7, "E", 2)
        assert (serial.rts, serial.dtr, serial.rtscts, serial.xonxoff) == (False, True, False, False)
        await transport.send(EVERY_BYTE)
        assert await received(transport, len(EVERY_BYTE)) == EVERY_BYTE
        await transport.aclose()


async def test_an_instrument_behind_a_device_server_is_read(registry: Registry) -> None:
    simulator = ToyDriver().simulator(ToyConfig(name="x", driver="toy", port="-"))
    with device_server(lambda data: simulator.receive(data, 0.0)) as server:
        async with Manager(registry=registry) as manager:
            await manager.add("tank", server.port, driver="toy", baudrate=4800)
            (sample,) = (await manager.poll())[0:1]
            assert sample.value is not None
        assert {rate for rate, _, _ in server.settings_during} == {4800}


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"parity": "N"}, 'the port ignores parity = "E"'),
        ({"baudrate": 9600}, "the port ignores baudrate = 19200"),
        ({"bytesize": 8, "stopbits": 1}, "the port ignores bytesize = 7 and stopbits = 2"),
    ],
)
async def test_a_setting_that_the_device_server_ignores_is_an_error(fixed: dict[str, Any], message: str) -> None:
    class Stubborn(SimpleNamespace):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, fixed.get(name, value))

    with device_server() as server:
        server.serial = Stubborn(**vars(server.serial) | fixed)
        with pytest.raises(PortSettingsError) as caught:
            await open_transport(server.port, LINK)
        assert caught.value.message == message


async def test_a_baud_rate_that_is_nearly_right_is_right() -> None:
    class Divisor(SimpleNamespace):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, 19230 if name == "baudrate" else value)

    with device_server() as server:
        server.serial = Divisor(**vars(server.serial))
        await (await open_transport(server.port, LINK)).aclose()


@pytest.mark.parametrize(
    ("command", "value", "reason"),
    [
        (1, (9600).to_bytes(4), "no longer baudrate = 19200"),
        (3, b"\1", "no longer parity"),
        (5, b"\13", "no longer rts = false"),
    ],
)
async def test_a_setting_that_is_changed_while_the_port_is_open_is_a_lost_connection(
    command: int, value: bytes, reason: str
) -> None:
    with device_server() as server:
        transport = await open_transport(server.port, LINK)
        server.report(command, value)
        with anyio.fail_after(5), pytest.raises(ConnectionLostError, match=reason):
            await transport.receive()
        await transport.aclose()


async def test_a_damaged_character_that_is_reported_is_no_digit() -> None:
    with device_server() as server:
        transport = await open_transport(server.port, LINK)
        assert server.peer is not None
        server.peer.sendall(b"12")
        server.report(6, b"\4")
        server.peer.sendall(b"34")
        assert await received(transport, 5) == b"12\x0034"
        server.report(6, b"\x60")  # the transmitter is empty
        server.report(7, b"\x30")  # modem state
        server.peer.sendall(b"5")
        assert await received(transport, 1) == b"5"
        await transport.aclose()


async def test_a_device_server_that_suspends_sending_is_a_lost_connection_after_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nonblocking, "SEND_SECONDS", 0.3)
    with device_server() as server:
        transport = await open_transport(server.port, LINK)
        server.report(8, b"")
        await transport.receive_within(0.2)
        with anyio.fail_after(5), pytest.raises(ConnectionLostError, match="accepts no data"):
            await transport.send(b"1")
        server.report(9, b"")
        await transport.receive_within(0.2)
        await transport.send(b"2")
        assert await received(transport, 1) == b"2"
        await transport.aclose()


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        (bytes((IAC, DONT, COM_PORT, IAC, DO, 0, IAC, WILL, 0)), "the device server refuses RFC 2217"),
        (bytes((IAC, DO, COM_PORT, IAC, DONT, 0, IAC, WILL, 0)), "the device server changes some characters"),
        (bytes((IAC, DO, COM_PORT, IAC, DO, 0, IAC, WONT, 0)), "the device server changes some characters"),
        (bytes((IAC, DO, COM_PORT, IAC, DO, 0, IAC, WILL, 0)), "does not respond to RFC 2217"),
        (b"+ 12.345 g\r\n", "does not respond to RFC 2217"),
        (bytes((IAC, 250, 1)) + bytes(300), "no RFC 2217 connection: the device server does not use Telnet"),
        (b"", "does not respond to RFC 2217"),
        (None, "no RFC 2217 connection: closed by the peer"),
    ],
)
async def test_what_is_no_rfc_2217_server_is_an_error_that_names_the_way_out(
    greeting: bytes | None, message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        opened = []

        def accept() -> None:
            peer, _ = listener.accept()
            opened.append(peer)
            if greeting is None:
                peer.shutdown(socket.SHUT_WR)
            else:
                peer.sendall(greeting)

        thread = threading.Thread(target=accept)
        thread.start()
        with anyio.fail_after(5), pytest.raises(PortError, match=message) as caught:
            await open_rfc2217(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", LINK, timeout=0.3)
        assert "tcp://" in (caught.value.hint or "")
        thread.join()
        opened[0].close()


async def test_a_port_that_sends_without_end_keeps_no_other_task_from_running_while_it_is_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def flood() -> None:
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                while True:
                    peer.sendall(b"hello world " * 1000)

        threading.Thread(target=flood, daemon=True).start()
        with anyio.fail_after(5), pytest.raises(PortError, match="does not respond to RFC 2217"):
            await open_rfc2217(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", LINK, timeout=0.3)


async def test_an_escaped_character_is_never_cut_by_a_full_buffer() -> None:
    with device_server() as server:
        transport = await open_transport(server.port, LINK)
        assert isinstance(transport, Rfc2217Transport)
        sock = transport._socket
        transport._socket = SimpleNamespace(  # type: ignore[assignment]
            send=lambda data: sock.send(bytes(data)[:1]), recv=sock.recv, close=sock.close
        )
        await transport.send(EVERY_BYTE[-300:])
        assert await received(transport, 300) == EVERY_BYTE[-300:]
        await transport.aclose()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ser2net") is None, reason="needs ser2net, of Debian's package of that name")
async def test_ser2net_makes_the_settings_and_carries_every_byte(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    config = tmp_path / "ser2net.yaml"
    config.write_text(
        f"connection: &one\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{number}\n"
        f"  connector: serialdev,{os.ttyname(slave)},9600n81,local\n"
    )
    with running(["ser2net", "-n", "-d", "-c", config], stderr=subprocess.DEVNULL):
        await wait_for(number)
        transport = await open_transport(f"rfc2217://127.0.0.1:{number}", Link(protocol="toy", baudrate=38400))
        attributes = await anyio.to_thread.run_sync(baud_rate_of, slave)
        assert attributes == 38400
        await transport.send(EVERY_BYTE[:256])
        sent = b""
        while len(sent) < 256:
            sent += await anyio.to_thread.run_sync(os.read, master, 4096)
        assert sent == EVERY_BYTE[:256]
        os.write(master, EVERY_BYTE[:256])
        assert await received(transport, 256) == EVERY_BYTE[:256]
        await transport.aclose()
    os.close(master)
    os.close(slave)


async def wait_for(number: int) -> None:
    with anyio.fail_after(10):
        while True:
            try:
                socket.create_connection(("127.0.0.1", number)).close()
            except OSError:
                await anyio.sleep(0.05)
            else:
                await anyio.sleep(0.3)  # until ser2net has closed the port for this connection
                return


def baud_rate_of(fd: int) -> int:
    if sys.platform == "win32":
        return 0
    import termios

    return {getattr(termios, f"B{rate}"): rate for rate in (9600, 19200, 38400)}[termios.tcgetattr(fd)[5]]
