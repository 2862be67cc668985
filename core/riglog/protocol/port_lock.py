"""The lock of a port: it gives one task the port for one transaction, or for several in a row."""

import anyio


class PortLock:
    """Not re-entrant. A task that holds the port hands the held line down to the functions it calls."""

    def __init__(self) -> None:
        self._lock = anyio.Lock(fast_acquire=True)

    async def acquire(self) -> None:
        """Wait until the port is free, and take it.

        Raises:
            RuntimeError: this task holds the port already; it must hand its held line down instead.
        """
        await self._lock.acquire()

    def release(self) -> None:
        """Give the port to the task that has waited longest."""
        self._lock.release()
