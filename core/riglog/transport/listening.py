"""A port that is only listened to: nothing is ever written to it, and no control line of it is raised."""

from collections.abc import Awaitable, Callable

from msgspec import structs

from riglog.errors import UnsupportedError
from riglog.transport.base import Transport
from riglog.transport.link import Link
from riglog.transport.open import open_transport


class ListeningTransport(Transport):
    """A port that can receive only. ``send`` is a mistake of the caller, whatever the port is."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.port = inner.port

    async def receive(self) -> bytes:
        return await self.inner.receive()

    async def receive_within(self, seconds: float) -> bytes:
        return await self.inner.receive_within(seconds)

    def receive_nowait(self) -> bytes:
        return self.inner.receive_nowait()

    async def send(self, data: bytes) -> None:
        raise UnsupportedError("nothing is sent to a port that is only listened to", port=self.port)

    async def aclose(self) -> None:
        await self.inner.aclose()


def listening_link(link: Link) -> Link:
    """Return the settings with which a port only receives.

    RTS switches the transmitter of many RS-485 adapters on, and flow control sends characters or changes RTS. DTR and
    RTS are therefore low, unless the settings state a level, and there is no flow control.
    """
    return structs.replace(link, dtr=bool(link.dtr), rts=bool(link.rts), rtscts=False, xonxoff=False, echo=False)


async def open_listening(
    port: str, link: Link, open_port: Callable[[str, Link], Awaitable[Transport]] | None = None
) -> Transport:
    """Open a port in order to listen. On POSIX the operating system refuses every write to a serial port opened so.

    Args:
        open_port: opens it; default: the port of this name.

    Raises:
        ConfigError, PortError: see ``open_transport``.
    """
    quiet = listening_link(link)
    opened = await (open_transport(port, quiet, read_only=True) if open_port is None else open_port(port, quiet))
    return ListeningTransport(opened)
