"""A simulated instrument that changes at given times: settings at its panel, its power, another one in its place."""

import math
from collections.abc import Callable, Iterator

from riglog.model import Channel
from riglog.simulation.schedule import Schedule
from riglog.simulation.simulator import Simulator
from riglog.simulation.truth import Timeline, Truth, TruthfulSimulator

Action = Callable[[TruthfulSimulator, float], None]
"""Changes an instrument at a time in seconds."""


class ScheduledSimulator(TruthfulSimulator):
    """The place of one instrument. Whatever was scheduled up to a time has happened before anything of that time.

    Attributes:
        connected: the instrument in this place.
        powered: whether it is switched on; an instrument without power receives and sends nothing.
    """

    def __init__(self, instrument: TruthfulSimulator) -> None:
        self.own = instrument
        self.connected: Timeline[TruthfulSimulator] = Timeline(instrument)
        self.powered = Timeline(True)
        self._present: Simulator = instrument
        self._on = True
        self._schedule = Schedule()
        self._between: list[tuple[int, Action]] = []  # requests until then

    @property
    def latency(self) -> float:  # type: ignore[override]
        return self._present.latency

    def schedule(self, at: float, action: Action) -> None:
        """Let ``action`` change the instrument that is connected then, such as a setting at its panel."""
        self._schedule.at(at, lambda: action(self.connected.at(at), at))

    def schedule_after(self, at: float, requests: int, action: Action) -> None:
        """Let ``action`` change the connected instrument between two requests: after so many, counted from ``at``."""
        self.schedule(at, lambda _, now: self._between.append((requests, action)))

    def schedule_swap(self, at: float, instrument: TruthfulSimulator) -> None:
        """Put another instrument in this place."""
        self.schedule(at, lambda _, now: self._connect(instrument, now))

    def schedule_power(self, at: float, on: bool) -> None:
        """Switch the instrument on or off."""
        self.schedule(at, lambda _, now: self._switch(on, now))

    def receive(self, data: bytes, now: float) -> bytes:
        self.advance(now)
        reply = self._present.receive(data, now) if self._on else b""
        self._between = [(requests - 1, action) for requests, action in self._between]
        for requests, action in self._between:
            if not requests:
                action(self.connected.at(now), math.nextafter(now, math.inf))
        self._between = [(requests, action) for requests, action in self._between if requests > 0]
        return reply

    def idle(self, now: float) -> bytes:
        sent = b""
        while (due := self._schedule.next_due()) is not None and due <= now:
            sent += self._idle(math.nextafter(due, -math.inf))
            self.advance(due)
        return sent + self._idle(now)

    def next_due(self, now: float) -> float | None:
        self.advance(now)
        return self._present.next_due(now)

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        self._present.note_port(baudrate, parity)

    def foreign(self, reply: bytes) -> bytes:
        return self._present.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self._present.set(name, value)

    def advance(self, now: float) -> None:
        """Let everything happen that is scheduled up to ``now``."""
        self._schedule.advance(now)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        """Return what the own instrument had; nothing for the time in which another one was in its place."""
        for since, until, instrument in self.connected.between(start, end):
            if instrument is self.own:
                yield from self.own.truths(channel, since, until)

    def _idle(self, now: float) -> bytes:
        sent = self._present.idle(now)
        return sent if self._on else b""

    def _connect(self, instrument: TruthfulSimulator, now: float) -> None:
        self._present = instrument
        self.connected.set(now, instrument)

    def _switch(self, on: bool, now: float) -> None:
        self._on = on
        self.powered.set(now, on)
