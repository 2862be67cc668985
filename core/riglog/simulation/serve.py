"""Connects a simulated peer to other programs, through a pseudo-terminal (POSIX) or a TCP port."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import ByteStream

from riglog.errors import ConfigError, UnsupportedError
from riglog.simulation.peer import SimulatedPeer
from riglog.transport.link import STANDARD_BAUDRATES
from riglog.transport.serial_settings import PSEUDO_TERMINALS

LOCALHOST = "127.0.0.1"
CHECK_SECONDS = 0.2
"""Longest interval in seconds between two rounds of ``PtyServer.run``, also without any input."""


def _is_of_a_simulator(path: Path) -> bool:
    """Return True if a path is a link to a pseudo-terminal: one that was killed has left it behind."""
    return path.is_symlink() and os.readlink(path).startswith(PSEUDO_TERMINALS)


class PtyServer:
    """A simulated peer behind a pseudo-terminal.

    ``path`` is the port that a client opens, ``link`` a symbolic link to it. ``unplug`` acts as an unplugged cable.
    """

    def __init__(self, peer: SimulatedPeer, *, link: str | os.PathLike[str] | None = None) -> None:
        self.peer = peer
        self.link = Path(link) if link is not None else None
        self.path = ""
        self._controller = self._port = -1
        self._plugged = False
        self._waiting: anyio.CancelScope | None = None

    def wake(self) -> None:
        """Send what the peer has now, although it did not say so before."""
        if self._waiting is not None:
            self._waiting.cancel()

    def plug(self) -> None:
        """Create the pseudo-terminal, and the link to it.

        Raises:
            UnsupportedError: the operating system has no pseudo-terminals.
            ConfigError: the link cannot be created.
        """
        if sys.platform == "win32":  # pragma: no cover
            raise UnsupportedError("pseudo-terminals are not available on Windows", hint="Use --tcp HOST:PORT")
        import tty

        if self.link is not None and os.path.lexists(self.link) and not _is_of_a_simulator(self.link):
            hint = "Choose another path"
            raise ConfigError("--link: path exists and is not the link of a simulator", hint=hint, path=self.link)
        self._controller, self._port = os.openpty()
        tty.setraw(self._port)
        os.set_blocking(self._controller, False)
        self.path = os.ttyname(self._port)
        self._keep_reopenable()
        self._plugged = True
        if self.link is not None:
            self._make_link(self.link)

    def _make_link(self, link: Path) -> None:
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
        except OSError as error:
            os.close(self._controller)
            os.close(self._port)
            self._controller = self._port = -1
            hint = "Choose a path in an existing, writable directory"
            raise ConfigError(
                f"--link: cannot create the symbolic link: {error.strerror}", hint=hint, path=link
            ) from None

    def unplug(self) -> None:
        """Remove the pseudo-terminal and the link; a program that has the port open gets a hang-up."""
        if self._controller < 0:
            return
        anyio.notify_closing(self._controller)
        os.close(self._controller)
        os.close(self._port)
        self._controller = self._port = -1
        if self.link is not None and self.link.is_symlink():
            self.link.unlink()

    async def run(self) -> None:
        """Serve until cancelled or unplugged."""
        while self._controller >= 0:
            now = anyio.current_time()
            self._keep_reopenable()
            if data := self.peer.take(now):
                self._write(data)
            due = self.peer.next_due(now)
            wait = CHECK_SECONDS if due is None else min(max(due - now, 0), CHECK_SECONDS)
            with anyio.move_on_after(wait) as self._waiting:
                try:
                    await anyio.wait_readable(self._controller)
                    self.peer.send(os.read(self._controller, 4096), anyio.current_time())
                except (anyio.ClosedResourceError, OSError):
                    return

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._controller, data)
        except BlockingIOError:
            pass  # the kernel's buffer is full because no program reads: on a real line the bytes would be lost too
        except OSError:
            self.unplug()

    def _keep_reopenable(self) -> None:
        """Set IXANY, so that a client can open the port with parity more than once.

        A pseudo-terminal does not accept parity, and tcsetattr fails with EINVAL if parity is the only requested
        change. Every client clears IXANY, which has no effect without IXON and is a second requested change.
        """
        if sys.platform == "win32":
            return
        import termios

        attributes = termios.tcgetattr(self._controller)
        self.peer.note_port(baudrate_of(attributes[5]))
        if not attributes[0] & termios.IXANY:
            if self._plugged:
                self.peer.note_open(anyio.current_time())  # a program has set up the port since it was here last
            attributes[0] |= termios.IXANY
            termios.tcsetattr(self._controller, termios.TCSANOW, attributes)


def baudrate_of(speed: int) -> int | None:
    """Return the baud rate of a speed of termios; None if it is none of the usual ones."""
    if sys.platform == "win32":
        return None
    import termios

    return next((rate for rate in STANDARD_BAUDRATES if getattr(termios, f"B{rate}", None) == speed), None)


@asynccontextmanager
async def serve_pty(peer: SimulatedPeer, *, link: str | os.PathLike[str] | None = None) -> AsyncIterator[PtyServer]:
    """Connect a simulated peer to a pseudo-terminal while the block runs."""
    server = PtyServer(peer, link=link)
    server.plug()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run)
            yield server
            tasks.cancel_scope.cancel()
    finally:
        server.unplug()


@asynccontextmanager
async def serve_tcp(peer: SimulatedPeer, *, host: str = LOCALHOST, port: int = 0) -> AsyncIterator[str]:
    """Connect a simulated peer to a TCP port while the block runs; yield ``tcp://HOST:PORT``.

    Args:
        port: the port number; 0: any free one.

    Raises:
        ConfigError: cannot listen on this address.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="Use a local address and a free port number",
        ) from error
    number = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, lambda stream: _serve_stream(peer, stream))
        yield f"tcp://{host}:{number}"
        tasks.cancel_scope.cancel()


async def _serve_stream(peer: SimulatedPeer, stream: ByteStream) -> None:
    """Serve one client until it closes the connection, or the connection breaks; the next one is not affected."""
    async with stream:
        peer.note_open(anyio.current_time())
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                now = anyio.current_time()
                if data := peer.take(now):
                    await stream.send(data)
                due = peer.next_due(now)
                with anyio.move_on_after(None if due is None else max(due - now, 0)):
                    received = await stream.receive()
                    peer.send(received, anyio.current_time())
