"""An analyser that broadcasts: nothing can be asked, every frame is taken once.

Source: Servomex wire specification, sections 3.3 to 3.5.
"""

from collections.abc import Sequence
from datetime import timedelta

import anyio

from riglog.device import Pace
from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog.model import NS, Stamp
from riglog.protocol import ProtocolClient, TimedReply
from riglog_servomex.access import Access, Read, Readings
from riglog_servomex.broadcast import Line
from riglog_servomex.errors import BadFrameError, ChannelAbsentError, OldFrameError
from riglog_servomex.frame import OVER, BadLine, Block, Frame
from riglog_servomex.positions import POSITIONS, Position
from riglog_servomex.reading import AnalyserStatus, Reading

STALE = 0.5
"""Seconds for which nobody may have listened: what came earlier cannot be said to come now, and is thrown away."""

LEAST_PATIENCE = 5.0
UNKNOWN_PERIOD = 15.0
"""What the seconds between two frames are taken for until two frames have shown them, if nobody said."""

OVERTAKEN = timedelta(minutes=1)
"""A clock that goes back by less belongs to an old frame; by more, somebody has set it."""


class BroadcastAccess(Access):
    """``dropped`` counts the lines that were no frames, ``old`` the frames that came again or too late."""

    pace = Pace.DEVICE
    client: ProtocolClient[None, Line]

    def __init__(self, client: ProtocolClient[None, Line], period: float | None, silence: float | None) -> None:
        super().__init__(client)
        self.dropped = 0
        self.old = 0
        self._period = period
        self._silence = silence
        self._chosen: tuple[Position, ...] = tuple(POSITIONS.values())
        self._listened_ns: int | None = None
        self._joining = True  # the first line is usually the tail of a frame, and nobody's fault
        self._frame: Frame | None = None
        self._frame_ns = 0
        self._interval = UNKNOWN_PERIOD  # the shortest seen

    @property
    def patience(self) -> float:
        """Seconds of silence after which a frame counts as missing: a little more than two periods."""
        if self._silence is not None:
            return self._silence
        return max(2 * (self._period or self._interval) + 1, LEAST_PATIENCE)

    async def discover(self, *, patient: bool = True) -> Readings:
        """What the next good frame brings; damaged ones only make it take longer."""
        self._joining = True
        with anyio.move_on_after(self.patience):
            while True:
                try:
                    return await self._next()
                except (BadFrameError, OldFrameError):
                    continue
        raise self._nothing_heard()

    async def choose(self, positions: Sequence[Position]) -> None:
        self._chosen = tuple(positions)

    def reads(self) -> Sequence[Read]:
        return [Read(self._chosen, self._patiently)]

    async def read_one(self, position: Position) -> Reading:
        found = await self._patiently()
        if position.id not in found:
            raise ChannelAbsentError(f"channel {position.id} is not in the broadcast", port=self.client.port)
        return found[position.id]

    async def read_analyser(self) -> AnalyserStatus:
        await self._patiently()
        assert self.analyser is not None, "every frame has one"
        return self.analyser

    async def _patiently(self) -> Readings:
        """The next frame, or why there is none."""
        with anyio.move_on_after(self.patience):
            return await self._next()
        raise self._nothing_heard()

    async def _next(self) -> Readings:
        """The next line that ends; a good frame becomes readings.

        Raises:
            BadFrameError, OldFrameError: it was dropped.
        """
        self._forget_what_nobody_heard()
        try:
            while True:
                line, stamp = await self.client.listen()
                joining, self._joining = self._joining, False
                if isinstance(line, Frame) or not joining:
                    break
        except ConnectionLostError:
            self._joining = True
            raise
        finally:
            self._listened_ns = self.client.clock.monotonic_ns()
        return self._accepted(TimedReply(line, stamp))

    def _accepted(self, heard: TimedReply[Line]) -> Readings:
        line, stamp = heard
        if isinstance(line, BadLine):
            self.dropped += 1
            raise BadFrameError(line.outcome, port=self.client.port, line=line.line)
        if self._is_old(line):
            self.old += 1
            raise OldFrameError("broadcast dropped: it came before", port=self.client.port, line=line.line)
        if self._frame is not None:
            self._interval = min(self._interval, (stamp.monotonic_ns - self._frame_ns) / NS)
        self._frame, self._frame_ns = line, stamp.monotonic_ns
        self.analyser = line.analyser
        self.last = {one: _reading(block, stamp) for one, block in line.blocks.items()}
        return self.last

    def _is_old(self, frame: Frame) -> bool:
        """The analyser's clock cannot say when it was, but that it was before; without a clock nothing can."""
        clock, before = frame.clock, self._frame.clock if self._frame else None
        if self._frame is None or clock is None or before is None:
            return False
        return frame.line == self._frame.line or timedelta() < before - clock < OVERTAKEN

    def _forget_what_nobody_heard(self) -> None:
        """What has been waiting in the port was said at a time that nobody knows."""
        now = self.client.clock.monotonic_ns()
        if self._listened_ns is None or now - self._listened_ns > STALE * NS:
            self.client.counters.stale_bytes += self.client.transport.discard_input()
            self.client.restart()
            self._joining = True

    def _nothing_heard(self) -> ReplyTimeoutError:
        return ReplyTimeoutError(
            f"no broadcast within {self.patience:g} s",
            hint="is the panel in continuous mode? Check baud rate and wiring; if it sends seldom, set period",
            port=self.client.port,
        )


def _reading(block: Block, stamp: Stamp) -> Reading:
    problem = None if block.value is not None else f"the analyser sends {block.text!r} instead of a value"
    return Reading(
        block.position, block.name, block.value, block.unit, block.flags, stamp, problem, block.raw, OVER in block.text
    )
