"""How much of the input of a port is read, and when other tasks must run in between.

A port can send faster than its input can be decoded: a second master, a wrong baud rate, a network peer that floods.
Whoever reads all that is there then reads for ever. What is not read stays in the operating system, which stops the
peer or discards it.
"""

import time

import anyio
import anyio.lowlevel

BYTES_PER_SECOND = 256 * 1024
"""More than twice what a serial port at 921600 baud delivers."""
BURST_BYTES = 64 * 1024
"""May be read at once, after a time with less input: what an operating system keeps of a serial port."""
YIELD_BYTES = 4096
"""After as many bytes without waiting, other tasks run first."""
READ_COST = 16
"""Bytes that each read counts for in addition: many short reads take as long as few long ones."""
PAUSE_SECONDS = 0.02


class ReadLimit:
    """The bytes that may be read from one port: a burst, and then a rate. Costs a port within the limits nothing."""

    def __init__(self) -> None:
        self._allowance = float(BURST_BYTES)
        self._refilled = time.monotonic()
        self._without_wait = 0

    def spend(self, count: int) -> None:
        """Count a read."""
        self._allowance -= count + READ_COST
        self._without_wait += count + READ_COST

    def waited(self) -> None:
        """Note that other tasks could run."""
        self._without_wait = 0

    @property
    def exhausted(self) -> bool:
        """True if nothing may be read now."""
        if self._allowance > 0:
            return False
        now = time.monotonic()
        self._allowance = min(self._allowance + (now - self._refilled) * BYTES_PER_SECOND, BURST_BYTES)
        self._refilled = now
        return self._allowance <= 0

    @property
    def holds_up(self) -> bool:
        """True if ``wait`` has something to do."""
        return self._allowance <= 0 or self._without_wait > YIELD_BYTES

    async def wait(self) -> None:
        """Wait until something may be read, and let other tasks run if they could not for long."""
        while self.exhausted:
            await anyio.sleep(PAUSE_SECONDS)
            self._without_wait = 0
        if self._without_wait > YIELD_BYTES:
            await anyio.lowlevel.checkpoint()
            self._without_wait = 0
