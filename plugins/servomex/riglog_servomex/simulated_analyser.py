"""A simulated analyser: gases that breathe, warming up, alarms, faults and calibrations that take their time.

No wire, no clock. Source: Servomex wire specification, sections 1, 10, 11 and 17.
"""

import math
from typing import NamedTuple

from riglog.errors import ConfigError
from riglog_servomex.positions import POSITIONS, Kind, find_position
from riglog_servomex.reading import Flags, Phase

FLUSH_SECONDS = 90.0
"""Each of the three gases of a run: the shortest flush time plus a minute."""
RUN = (Phase.CAL_GAS_1, Phase.CAL_GAS_2, Phase.CAL_GAS_1)
SWITCH = {"on": True, "off": False, "1": True, "0": False, "true": True, "false": False}
STATES = ("fault", "maintenance", "calibrating", "warming_up", "alarm1", "alarm2", "alarm3", "alarm4")


class Label(NamedTuple):
    """Name and unit as display codes; what a bare position holds is not documented, zeros are met."""

    name: bytes
    unit: bytes


BARE = Label(bytes(6), bytes(4))
NAMELESS_INPUT = Label(b"||||||", b" mA\0")


class SimulatedChannel:
    """One position. ``value`` is the middle, ``swing`` how far it moves around it; ``switches`` are set by hand."""

    def __init__(self, label: Label, value: float = 0.0, swing: float = 0.0, decimals: int = 3) -> None:
        self.label = label
        self.value = value
        self.swing = swing
        self.decimals = decimals
        self.text: str | None = None  # what the broadcast shows instead of the value
        self.switches: set[str] = set()

    @property
    def labelled(self) -> bool:
        return bool(self.label.name.strip(b"| \0"))

    def at(self, now: float) -> float:
        return self.value + self.swing * math.sin(now / 7)


def fitted() -> dict[str, SimulatedChannel]:
    """Oxygen, carbon monoxide and carbon dioxide, both external inputs without names, the rest bare."""
    channels = {one: SimulatedChannel(BARE) for one in POSITIONS}
    percent = b" % \0"
    channels["I1"] = SimulatedChannel(Label(b"Oxygen", percent), 20.378, 0.04)
    channels["I2"] = SimulatedChannel(Label(b"CO    ", percent), 0.084, 0.002)
    channels["I3"] = SimulatedChannel(Label(b"CO\x82   ", percent), 0.25, 0.003)
    channels["E1"] = SimulatedChannel(NAMELESS_INPUT, 4.0, 0.0, 1)
    channels["E2"] = SimulatedChannel(NAMELESS_INPUT, 12.0, 0.5, 1)
    return channels


class SimulatedAnalyser:
    """All state of an analyser; ``advance`` brings it to a moment."""

    def __init__(self, *, warm_up: float = 0.0) -> None:
        self.channels = fitted()
        self.now = 0.0
        self.warm_up = warm_up
        self.flush = FLUSH_SECONDS
        self.fault = False
        self.maintenance = False
        self.starts = [0, 0, 0, 0]
        self.stops = 0
        self._began: float | None = None
        self._queue: list[int] = []
        self._run: tuple[int, float] | None = None  # group, since when

    def advance(self, now: float) -> None:
        """Time passes: runs go through their gases, the next in the queue begins."""
        if self._began is None:
            self._began = now
        self.now = now
        while self._run is not None and now - self._run[1] >= self.flush * len(RUN):
            ended = self._run[1] + self.flush * len(RUN)
            self._run = (self._queue.pop(0), ended) if self._queue else None

    def start(self, group: int) -> None:
        """A request for autocalibration of group 1 to 4; one runs, the others wait."""
        self.starts[group - 1] += 1
        if self._run is None:
            self._run = (group, self.now)
        else:
            self._queue.append(group)

    def stop(self) -> None:
        self.stops += 1
        self._run = None
        self._queue.clear()

    @property
    def phases(self) -> list[Phase]:
        """What each group is doing."""
        phases = [Phase.IDLE] * 4
        if self._run is not None:
            group, since = self._run
            phases[group - 1] = RUN[min(int((self.now - since) / self.flush), len(RUN) - 1)]
        return phases

    @property
    def warming_up(self) -> bool:
        return self._began is not None and self.now - self._began < self.warm_up

    def value(self, channel: str) -> float:
        return self.channels[channel].at(self.now)

    def flags(self, channel: str) -> Flags:
        """Derived channels copy their parent's state; external inputs have a fault (invalid) and alarms only."""
        kind = POSITIONS[channel].kind
        own = self.channels[channel].switches
        state = self.channels["I" + channel[1]].switches if kind is Kind.DERIVED else own
        calibrates = kind is not Kind.EXTERNAL_INPUT and self.phases[int(channel[1]) - 1] is not Phase.IDLE
        warms = kind is not Kind.EXTERNAL_INPUT and self.channels[channel].labelled and self.warming_up
        one, two, three, four = (f"alarm{number}" in own for number in range(1, 5))
        return Flags(
            fault="fault" in state,
            maintenance="maintenance" in state,
            calibrating="calibrating" in state or calibrates,
            warming_up="warming_up" in state or warms,
            alarms=(one, two, three, four),
        )

    def set(self, name: str, value: str) -> None:
        """Set ``fault``, ``maintenance``, ``flush``, ``warm_up``, or ``I1.value``, ``I1.alarm2`` and so on.

        Raises:
            ConfigError: no such knob, or not such a value.
        """
        channel, dot, knob = name.partition(".")
        if dot:
            self._set_channel(self.channels[find_position(channel).id], knob, value)
        elif name in ("fault", "maintenance"):
            setattr(self, name, switch(value))
        elif name in ("flush", "warm_up"):
            setattr(self, name, number(value))
        else:
            hint = "fault, maintenance, flush, warm_up, CHANNEL.value, .swing, .name, .unit, .text, .fault, .alarm1 …"
            raise ConfigError(f"the simulated analyser has nothing called {name!r}", hint=hint)

    def _set_channel(self, channel: SimulatedChannel, knob: str, value: str) -> None:
        match knob:
            case "value" | "swing":
                setattr(channel, knob, number(value))
            case "text":
                channel.text = value or None
            case "name":
                channel.label = Label(display_codes(value).ljust(6)[:6], channel.label.unit)
            case "unit":
                channel.label = Label(channel.label.name, value.encode("latin-1").center(3)[:3] + b"\0")
            case _ if knob in STATES:
                (channel.switches.add if switch(value) else channel.switches.discard)(knob)
            case _:
                raise ConfigError(
                    f"a channel has nothing called {knob!r}", hint=f"value, name, unit, {', '.join(STATES)}"
                )


def display_codes(text: str) -> bytes:
    """A name as the display's codes."""
    return text.replace("₂", "\x82").encode("latin-1", "replace")


def switch(value: str) -> bool:
    if value.lower() not in SWITCH:
        raise ConfigError(f"{value!r} is neither on nor off")
    return SWITCH[value.lower()]


def number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"{value!r} is no number") from None
