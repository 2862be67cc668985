"""Opening a device between the polls of others: each of its requests has to fit before their next slot."""

from collections.abc import Awaitable, Callable
from math import inf

import anyio

from riglog.protocol import ProtocolClient

REPLY_SECONDS = 0.1
"""For a reply, while it is not known how long this instrument takes."""
MARGIN_SECONDS = 0.01
MAX_WAIT_SECONDS = 2.0
"""For idle time, once opening has begun: then the request is sent in any case, as the instrument responds."""


class IdleTime:
    """Admits requests when enough idle time is left, and cuts short what takes longer.

    After a request that is cut short the line needs its hold-off before the next request. Therefore it ends that much
    before the next slot is due, unless the instrument has responded already.

    Args:
        idle_seconds: returns the seconds until the next slot of another device; negative during a poll.
        polled: waits for the end of a poll.
        unlimited: the first request is sent in any case, and is only cut short after one timeout.
    """

    def __init__(
        self,
        client: "ProtocolClient[object, object]",
        idle_seconds: Callable[[], float],
        polled: Callable[[], Awaitable[None]],
        *,
        unlimited: bool = False,
    ) -> None:
        self.scope = anyio.CancelScope()
        self._client = client
        self._idle_seconds = idle_seconds
        self._polled = polled
        self._unlimited = unlimited
        self._replies = client.counters.replies
        self._responded = False
        self._admitted = 0.0
        self._took = REPLY_SECONDS / 2  # the last request, with its reply

    @property
    def fits(self) -> bool:
        """True if a request could be sent now."""
        return self._idle_seconds() >= self._hold_off + self._reply_seconds + MARGIN_SECONDS

    async def admit(self) -> None:
        """Wait for idle time, and set the time at which what follows is cut short."""
        self.scope.deadline = inf
        if self._client.counters.replies > self._replies:
            self._responded, self._took = True, anyio.current_time() - self._admitted
        if self._unlimited:
            self._unlimited = False
            self.scope.deadline = anyio.current_time() + self._client.timeout + REPLY_SECONDS
        else:
            await self._wait()
        self._replies = self._client.counters.replies  # not those to other devices meanwhile
        self._admitted = anyio.current_time()

    async def _wait(self) -> None:
        with anyio.move_on_after(MAX_WAIT_SECONDS):
            while not self.fits:
                await self._polled()
            self.scope.deadline = anyio.current_time() + self._idle_seconds() - self._hold_off - MARGIN_SECONDS
            return
        if not self._responded:
            self.scope.cancel()

    @property
    def _hold_off(self) -> float:
        if self._responded:
            return 0.0
        hold_off = self._client.codec.hold_off
        return self._client.timeout if hold_off is None else hold_off

    @property
    def _reply_seconds(self) -> float:
        return min(self._client.timeout, 2 * self._took)
