"""TCP, for serial device servers and instruments with a raw socket."""

import errno
import os
import socket

import anyio

from riglog.errors import PortError
from riglog.transport.canonical import tcp_address
from riglog.transport.nonblocking import CHUNK, NonblockingTransport

CONNECT_SECONDS = 5.0
NOTICE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 10_000))
"""A device server that was switched off says no farewell: found out within about ten seconds, not two hours."""


async def open_tcp(port: str, *, timeout: float = CONNECT_SECONDS) -> "TcpTransport":
    """Connect to ``tcp://host:port``.

    Raises:
        PortError: nobody listens there, or not within ``timeout`` seconds.
    """
    host, number = tcp_address(port)
    try:
        with anyio.fail_after(timeout):
            return TcpTransport(await _connect(host, number), port)
    except TimeoutError as error:
        raise PortError(f"no connection within {timeout:g} s", hint="check address and network", port=port) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortError(f"cannot connect: {reason}", hint="check address and port number", port=port) from error


async def _connect(host: str, number: int) -> socket.socket:
    """The first address of the host that answers."""
    problem: OSError = OSError(errno.EADDRNOTAVAIL, "host has no address")
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
            for name, value in NOTICE:
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

    hint = "check network and device server"

    def __init__(self, opened: socket.socket, port: str) -> None:
        super().__init__(port, opened)
        self._socket = opened

    def _read(self) -> bytes:
        return self._socket.recv(CHUNK)

    def _write(self, data: memoryview) -> int:
        return self._socket.send(data)

    def _close(self) -> None:
        self._socket.close()
