"""TCP connections to serial device servers and to instruments with a raw socket."""

import errno
import os
import socket

import anyio

from riglog.errors import PortError
from riglog.transport.canonical import tcp_address
from riglog.transport.nonblocking import CHUNK, NonblockingTransport

CONNECT_SECONDS = 5.0
FLOODS_BEFORE_RECONNECTING = 3
"""Both ends of a connection keep megabytes: after a flood it would take minutes until they are read and discarded."""
KEEPALIVE_OPTIONS = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 10_000))
"""A device server that loses power does not close its connections. With these options the loss is detected within
about 10 s instead of 2 h."""


async def open_tcp(port: str, *, timeout: float = CONNECT_SECONDS) -> "TcpTransport":
    """Connect to ``tcp://HOST:PORT``.

    Raises:
        PortError: the connection was refused, or not established within ``timeout`` seconds.
    """
    return TcpTransport(await connected(port, timeout=timeout), port)


async def connected(port: str, *, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """Return a connection to the address of a port.

    Raises:
        PortError: the connection was refused, or not established within ``timeout`` seconds.
    """
    host, number = tcp_address(port)
    try:
        with anyio.fail_after(timeout):
            return await _connect(host, number)
    except TimeoutError as error:
        hint = "Check host address and network"
        raise PortError(f"TCP connect timed out after {timeout:g} s", hint=hint, port=port) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortError(f"cannot connect: {reason}", hint="Check host address and port number", port=port) from error


async def _connect(host: str, number: int) -> socket.socket:
    """Return a connection to the first address of the host that accepts one."""
    problem: OSError = OSError(errno.EADDRNOTAVAIL, "host name cannot be resolved to an address")
    for family, kind, protocol, _, address in await anyio.getaddrinfo(host, number, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            code = opened.connect_ex(address)
            if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
                await anyio.wait_writable(opened)
                code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE_OPTIONS:
                if hasattr(socket, name):
                    opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        except OSError as error:
            opened.close()
            problem = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise problem


class TcpTransport(NonblockingTransport):
    """One TCP connection."""

    hint = "Check the network and the device server"
    can_be_mute = True

    def __init__(self, opened: socket.socket, port: str) -> None:
        super().__init__(port, opened)
        self._socket = opened
        self._floods = 0  # in a row

    def receive_nowait(self) -> bytes:
        data = super().receive_nowait()
        self._floods = self._floods + 1 if self.flooded else 0
        if self._floods >= FLOODS_BEFORE_RECONNECTING:
            raise self._lost("data arrives without end")
        return data

    def _read(self) -> bytes:
        return self._socket.recv(CHUNK)

    def _write(self, data: bytes | memoryview) -> int:
        return self._socket.send(data)

    async def _close(self) -> None:
        self._socket.close()
