"""The opened port: bytes in, bytes out. Five methods, and every transport is one of these."""

from abc import ABC, abstractmethod


class Transport(ABC):
    """One opened port. One reader at a time; sending while another task receives is allowed."""

    port: str

    @abstractmethod
    async def receive(self) -> bytes:
        """Wait for bytes; at least one.

        Raises:
            ConnectionLostError: the port is gone.
            anyio.ClosedResourceError: we closed it.
        """

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Hand all of ``data`` to the port.

        Raises:
            ConnectionLostError: the port is gone.
            anyio.ClosedResourceError: we closed it.
        """

    @abstractmethod
    def receive_nowait(self) -> bytes:
        """What has arrived and was not read; ``b""`` if nothing has. Does not wait.

        Raises:
            ConnectionLostError: the port is gone.
        """

    def discard_input(self) -> int:
        """Throw away what has arrived and was not read; the number of bytes."""
        return len(self.receive_nowait())

    @abstractmethod
    async def aclose(self) -> None:
        """Close the port; a waiting ``receive`` ends with ClosedResourceError. Closing twice is fine."""
