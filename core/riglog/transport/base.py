"""The interface of an open port: a byte stream with five methods, which every kind of port implements."""

from abc import ABC, abstractmethod

import anyio


class Transport(ABC):
    """An open port. Only one task may receive at a time; another task may send meanwhile."""

    port: str
    """The name of the port as the user wrote it, for messages."""
    flooded: bool = False
    """True if the last ``receive_nowait`` left input unread, because more arrives than may be read."""

    has_line_time = False
    """True if characters arrive no faster than the baud rate of the link says: on a serial line, not on TCP."""

    may_have_uart = True
    """False if no UART can be behind the port, which needs an idle line to see where a frame begins."""

    can_be_mute: bool = False
    """True if the peer may accept data over this connection and never respond, but would over a new one."""

    @abstractmethod
    async def receive(self) -> bytes:
        """Wait for input and return it; at least one byte.

        Raises:
            ConnectionLostError: the connection is lost.
            anyio.ClosedResourceError: the port was closed by ``aclose``.
        """

    async def receive_within(self, seconds: float) -> bytes:
        """Return input as ``receive`` does; ``b""`` if there is none within so many seconds."""
        with anyio.move_on_after(seconds):
            return await self.receive()
        return b""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Hand all of ``data`` to the port.

        Raises:
            ConnectionLostError: the connection is lost, or the port accepts nothing for some seconds (flow control).
            anyio.ClosedResourceError: the port was closed by ``aclose``.
        """

    @abstractmethod
    def receive_nowait(self) -> bytes:
        """Return the input that has arrived and was not read yet; ``b""`` if there is none. Does not wait.

        The amount is limited; ``flooded`` tells whether there was more.

        Raises:
            ConnectionLostError: the connection is lost.
        """

    def discard_input(self) -> int:
        """Discard what ``receive_nowait`` returns; return the number of bytes."""
        return len(self.receive_nowait())

    @abstractmethod
    async def aclose(self) -> None:
        """Close the port. A ``receive`` that waits ends with ClosedResourceError. Closing twice is allowed."""
