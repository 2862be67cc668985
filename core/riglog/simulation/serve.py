"""A far end served to any other program: on a pseudo-terminal (POSIX) or on a TCP port."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import ByteStream

from riglog.errors import ConfigError, UnsupportedError
from riglog.simulation.peer import SimulatedPeer

LOOPBACK = "127.0.0.1"
CHECK_SECONDS = 0.2
"""How often a served pseudo-terminal is looked after even if nobody talks to it."""


class PtyServer:
    """A far end behind a pseudo-terminal. ``path`` is what a client opens; ``unplug`` pulls the cable."""

    def __init__(self, peer: SimulatedPeer, *, link: str | os.PathLike[str] | None = None) -> None:
        self.peer = peer
        self.link = Path(link) if link is not None else None
        self.path = ""
        self._master = self._slave = -1

    def plug(self) -> None:
        """Make the pseudo-terminal appear.

        Raises:
            UnsupportedError: this operating system has none.
            ConfigError: the link's path is taken by something that is no link.
        """
        if sys.platform == "win32":  # pragma: no cover
            raise UnsupportedError("there are no pseudo-terminals on Windows", hint="use --tcp HOST:PORT")
        import tty

        if self.link is not None and self.link.exists() and not self.link.is_symlink():
            raise ConfigError("the path for the link exists and is no link", hint="choose another", path=self.link)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._keep_reopenable()
        if self.link is not None:
            self._make_link(self.link)

    def _make_link(self, link: Path) -> None:
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
        except OSError as error:
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
            hint = "choose a path in a directory that exists and may be written"
            raise ConfigError(f"the link cannot be made: {error.strerror}", hint=hint, path=link) from None

    def unplug(self) -> None:
        """Make it disappear: whoever has it open sees a hang-up."""
        if self._master < 0:
            return
        anyio.notify_closing(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        if self.link is not None and self.link.is_symlink():
            self.link.unlink()

    async def run(self) -> None:
        """Serve until cancelled or unplugged."""
        while self._master >= 0:
            now = anyio.current_time()
            self._keep_reopenable()
            if data := self.peer.take(now):
                self._say(data)
            due = self.peer.next_due(now)
            wait = CHECK_SECONDS if due is None else min(max(due - now, 0), CHECK_SECONDS)
            with anyio.move_on_after(wait):
                try:
                    await anyio.wait_readable(self._master)
                    self.peer.send(os.read(self._master, 4096), anyio.current_time())
                except (anyio.ClosedResourceError, OSError):
                    return

    def _say(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except BlockingIOError:
            pass  # nobody reads and the kernel's buffer is full: on a real wire it would be gone too
        except OSError:
            self.unplug()

    def _keep_reopenable(self) -> None:
        """A second opening with parity fails with EINVAL if parity, which a pty refuses, is the only change asked for.

        So there always is another one: IXANY, which every client clears and which means nothing without IXON.
        """
        import termios

        attributes = termios.tcgetattr(self._master)
        if not attributes[0] & termios.IXANY:
            attributes[0] |= termios.IXANY
            termios.tcsetattr(self._master, termios.TCSANOW, attributes)


@asynccontextmanager
async def serve_pty(peer: SimulatedPeer, *, link: str | os.PathLike[str] | None = None) -> AsyncIterator[PtyServer]:
    """Serve a far end on a pseudo-terminal while the block runs."""
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
async def serve_tcp(peer: SimulatedPeer, *, host: str = LOOPBACK, port: int = 0) -> AsyncIterator[str]:
    """Serve a far end on a TCP port while the block runs; yields ``tcp://host:port``. Port 0: any free one.

    Raises:
        ConfigError: the address cannot be used.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="choose an address of this machine and a free port",
        ) from error
    number = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, lambda stream: _serve_stream(peer, stream))
        yield f"tcp://{host}:{number}"
        tasks.cancel_scope.cancel()


async def _serve_stream(peer: SimulatedPeer, stream: ByteStream) -> None:
    async with stream:
        while True:
            now = anyio.current_time()
            if data := peer.take(now):
                await stream.send(data)
            due = peer.next_due(now)
            with anyio.move_on_after(None if due is None else max(due - now, 0)):
                try:
                    received = await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                peer.send(received, anyio.current_time())
