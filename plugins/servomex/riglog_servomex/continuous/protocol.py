"""An analyzer that broadcasts: it receives no requests, and each of its frames is used once.

A frame has no address. That it is from this analyzer follows only from the pace: an analyzer sends one frame in every
second at most. Two different frames close together are from two senders, or waited to be read until their times are
unknown: neither has a value.

Source: Servomex wire specification, sections 3.3 to 3.5.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import anyio

from riglog.device import Pace
from riglog.errors import ConnectionLostError, ReplyTimeoutError, UnsupportedError
from riglog.model import NS, Stamp
from riglog.protocol import HeldLine, TimedReply
from riglog_servomex.config import ServomexConfig
from riglog_servomex.continuous.codec import BroadcastClient, ReceivedFrame
from riglog_servomex.continuous.frames import OVER, BadFrame, Frame
from riglog_servomex.errors import BadFrameError, ChannelAbsentError, OldFrameError
from riglog_servomex.positions import POSITIONS, Position
from riglog_servomex.samples import AnalyzerStatus, Read, Reading, Readings

MAX_WAIT = 0.1
"""Seconds for which a frame may have waited to be read, and be stamped with the time at which it was read."""

MAX_LISTEN_GAP = 0.5
"""Seconds between two calls. After a longer gap everything that was received meanwhile is discarded."""

MIN_INTERVAL = 0.5
"""Seconds between two frames of one analyzer, at least: its shortest period is 1 s."""

MAX_HOLD = 0.15
"""Seconds for which a frame is held, at most, to see whether another one is directly behind it."""

MIN_FRAME_TIMEOUT = 5.0
"""Seconds: the least frame timeout, unless one is configured, and the least time for the first frame in any case."""

UNKNOWN_PERIOD = 15.0
"""Seconds between two frames that are assumed until two frames have been received, if none are configured."""

TOO_CLOSE = "another one is too close: they are from two senders, or waited to be read"

MAX_REORDER = timedelta(minutes=1)
"""A clock that goes back by less belongs to an old frame. By more: the clock of the analyzer was set."""


class BroadcastProtocol:
    """``frames_discarded`` counts the frames that were damaged, repeated or out of order."""

    pace = Pace.DEVICE

    def __init__(self, config: ServomexConfig, client: BroadcastClient) -> None:
        self.frames_discarded = 0
        self._client = client
        self._configured_timeout = config.frame_timeout
        self._period = config.period
        self._shortest_interval = UNKNOWN_PERIOD
        self._selected: tuple[Position, ...] = tuple(POSITIONS.values())
        self._listened_ns: int | None = None
        self._is_paced = False  # two frames have shown that the analyzer sends as seldom as it should
        self._may_be_fragment = True  # the first line is usually the end of a frame, which is not a fault
        self._frame: Frame | None = None
        self._frame_ns = 0
        self._readings: Readings = {}

    @property
    def frame_timeout(self) -> float:
        """Seconds without a frame after which the channels get a missing sample: a little more than two periods."""
        if self._configured_timeout is not None:
            return self._configured_timeout
        return max(2 * (self._period or self._shortest_interval) + 1, MIN_FRAME_TIMEOUT)

    async def discover(self, line: HeldLine[Any, Any]) -> Readings:
        self._may_be_fragment = True
        timeout = max(self.frame_timeout, MIN_FRAME_TIMEOUT)
        with anyio.move_on_after(timeout):
            while True:
                try:
                    return await self._receive(math.inf)
                except (BadFrameError, OldFrameError):
                    continue
        raise self._no_frame(timeout)

    async def select(self, line: HeldLine[Any, Any], positions: Sequence[Position]) -> None:
        self._selected = tuple(positions)

    async def reconnected(self, line: HeldLine[Any, Any]) -> None:
        return None

    async def read_identity(self, line: HeldLine[Any, Any]) -> Readings:
        return self._readings

    def reads(self, line: HeldLine[Any, Any]) -> Sequence[Read]:
        return [Read(self._selected, self._receive)]

    async def read_channel(self, line: HeldLine[Any, Any], position: Position) -> Reading:
        readings = await self._receive()
        if position.id not in readings:
            raise ChannelAbsentError(f"channel {position.id} is not in the broadcast", port=self._client.port)
        return readings[position.id]

    async def read_analyzer(self, line: HeldLine[Any, Any]) -> AnalyzerStatus:
        readings = await self._receive()
        return next(reading.analyzer for reading in readings.values() if reading.analyzer is not None)

    async def start_calibration(self, group: int, report: Callable[[str], None]) -> None:
        raise _no_commands("cannot start an autocalibration")

    async def stop_calibration(self, report: Callable[[str], None]) -> None:
        raise _no_commands("cannot stop autocalibrations")

    async def _receive(self, timeout: float | None = None) -> Readings:
        """Return the readings of the next frame.

        Args:
            timeout: seconds; None: the frame timeout.

        Raises:
            ReplyTimeoutError: no frame in this time.
            BadFrameError, OldFrameError: the frame was discarded.
        """
        seconds = self.frame_timeout if timeout is None else timeout
        self._discard_backlog()
        try:
            received = None
            with anyio.move_on_after(seconds):
                received = await self._next_frame()
            if received is None:
                raise self._no_frame(seconds)
            return await self._accept(*received)
        except ConnectionLostError:
            self._may_be_fragment = True
            raise
        finally:
            self._listened_ns = self._client.clock.monotonic_ns()

    async def _next_frame(self) -> TimedReply[ReceivedFrame]:
        while True:
            received = await self._client.listen()
            may_be_fragment, self._may_be_fragment = self._may_be_fragment, False
            if isinstance(received.reply, Frame) or not may_be_fragment:
                return received

    async def _accept(self, frame: ReceivedFrame, stamp: Stamp) -> Readings:
        if isinstance(frame, BadFrame):
            self.frames_discarded += 1
            raise BadFrameError(frame.outcome, port=self._client.port, frame=frame.raw)
        if self._is_old(frame):
            raise self._discarded("repeated or out of order", frame)
        interval = (stamp.monotonic_ns - self._frame_ns) / NS if self._frame is not None else math.inf
        if (self._is_paced and interval < MIN_INTERVAL) or await self._another_follows(frame):
            raise self._discarded(TOO_CLOSE, frame)
        self._shortest_interval = min(self._shortest_interval, interval)
        self._is_paced = self._is_paced or MIN_INTERVAL <= interval < math.inf
        self._frame, self._frame_ns = frame, stamp.monotonic_ns
        self._readings = readings_of(frame, stamp)
        return self._readings

    async def _another_follows(self, frame: Frame) -> bool:
        """Return True if a different frame is directly behind this one. Damaged and repeated ones are not different.

        Until the pace of the analyzer is known, only what was received together with this frame is directly behind it.
        """
        line_seconds = self._client.connection.link.seconds(len(frame.raw))
        behind = min(line_seconds + MAX_WAIT / 2, MAX_HOLD) if self._is_paced else 0
        different = False
        with suppress(ConnectionLostError), anyio.move_on_after(behind):
            while True:
                other = (await self._client.listen()).reply
                self.frames_discarded += 1
                is_known = isinstance(other, BadFrame) or other.raw == frame.raw or self._is_old(other)
                different = different or not is_known
        return different

    def _discarded(self, why: str, frame: Frame) -> OldFrameError:
        self.frames_discarded += 1
        return OldFrameError(f"broadcast frame discarded: {why}", port=self._client.port, frame=frame.raw)

    def _is_old(self, frame: Frame) -> bool:
        """Return True if the frame is not newer than the last frame, by their clocks; without clocks it is unknown."""
        clock, before = frame.clock, self._frame.clock if self._frame else None
        if self._frame is None or clock is None or before is None:
            return False
        return frame.raw == self._frame.raw or timedelta() < before - clock < MAX_REORDER

    def _discard_backlog(self) -> None:
        """Discard what was received while nothing listened: its time of arrival is unknown.

        Raises:
            OldFrameError: a frame was complete before it could be read.
        """
        now = self._client.clock.monotonic_ns()
        if self._listened_ns is None or now - self._listened_ns > MAX_LISTEN_GAP * NS:
            self._client.discard_input()
            self._may_be_fragment = True
        elif now - self._listened_ns > MAX_WAIT * NS:
            self._listened_ns = now
            waited = None
            while received := self._client.receive_unsolicited_nowait():
                waited = received.reply if isinstance(received.reply, Frame) else waited
            if waited is not None:
                raise self._discarded("it waited to be read, so its time is unknown", waited)

    def _no_frame(self, timeout: float) -> ReplyTimeoutError:
        return ReplyTimeoutError(
            f"no broadcast frame within {timeout:g} s",
            hint="Check baud rate and wiring, and that the analyzer is in continuous mode: `riglog servomex detect`. "
            "For a slow broadcast set period",
            port=self._client.port,
        )


def readings_of(frame: Frame, stamp: Stamp) -> Readings:
    """Return the readings of a frame."""
    readings = {}
    for channel, block in frame.blocks.items():
        readings[channel] = Reading(
            position=block.position,
            name=block.name,
            value=block.value,
            unit=block.unit,
            flags=block.flags,
            stamp=stamp,
            problem=None if block.value is not None else f"no value: the analyzer sent {block.text!r}",
            raw=block.raw,
            above_range=OVER in block.text,
            analyzer=frame.analyzer,
        )
    return readings


def _no_commands(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what}: the analyzer receives no commands in continuous mode",
        hint="Select Modbus on the analyzer panel, and set protocol to match",
    )
