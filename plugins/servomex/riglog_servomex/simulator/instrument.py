"""A simulated analyzer: gas values that vary, warm-up, alarms, faults, and calibrations that take their time.

No I/O, no clock. Source: Servomex wire specification, sections 1, 10, 11 and 17.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from riglog.errors import ConfigError
from riglog.simulation import Schedule
from riglog_servomex.positions import POSITIONS, Kind, find_position
from riglog_servomex.samples import Flags, Phase
from riglog_servomex.units import decode_name, decode_unit

FLUSH_SECONDS = 90.0
"""Of each of the three gases of a run: the shortest flush time plus a minute."""
RUN = (Phase.CAL_GAS_1, Phase.CAL_GAS_2, Phase.CAL_GAS_1)
SWITCH = {"on": True, "off": False, "1": True, "0": False, "true": True, "false": False}
STATES = ("fault", "maintenance", "calibrating", "warming_up", "alarm1", "alarm2", "alarm3", "alarm4")
SETTINGS = "fault, maintenance, flush, warm_up, order, CHANNEL.value, .swing, .decimals, .name, .unit, .text, .alarm1 …"


class Label(NamedTuple):
    """Name and unit as display codes. What an empty position contains is not documented; zeros were observed."""

    name: bytes
    unit: bytes


EMPTY = Label(bytes(6), bytes(4))
NAMELESS_INPUT = Label(b"||||||", b" mA\0")


class Truth(NamedTuple):
    """What an analyzer has in one channel: the value that it measures, and the text that it shows instead, if any."""

    value: float
    unit: str | None
    name: str | None
    flags: Flags
    text: str | None


class SimulatedChannel:
    """One position. The value varies by ``swing`` around ``value``; ``switches`` are the states that were set."""

    def __init__(self, label: Label, value: float = 0.0, swing: float = 0.0, decimals: int = 3) -> None:
        self.label = label
        self.value = value
        self.swing = swing
        self.decimals = decimals
        self.text: str | None = None  # what the broadcast shows instead of the value
        self.switches: set[str] = set()

    @property
    def labelled(self) -> bool:
        """True if the channel has a name."""
        return bool(self.label.name.strip(b"| \0"))

    def at(self, now: float) -> float:
        """Return the value at a time in seconds."""
        return self.value + self.swing * math.sin(now / 7)


def fitted() -> dict[str, SimulatedChannel]:
    """Return oxygen, carbon monoxide and carbon dioxide, and both external inputs without names; the rest is empty."""
    channels = {name: SimulatedChannel(EMPTY) for name in POSITIONS}
    percent = b" % \0"
    channels["I1"] = SimulatedChannel(Label(b"Oxygen", percent), 20.378, 0.04)
    channels["I2"] = SimulatedChannel(Label(b"CO    ", percent), 0.084, 0.002)
    channels["I3"] = SimulatedChannel(Label(b"CO\x82   ", percent), 0.25, 0.003)
    channels["E1"] = SimulatedChannel(NAMELESS_INPUT, 4.0, 0.0, 1)
    channels["E2"] = SimulatedChannel(NAMELESS_INPUT, 12.0, 0.5, 1)
    return channels


class SimulatedAnalyzer:
    """The whole state of an analyzer; ``advance`` brings it to a time."""

    def __init__(self, *, warm_up: float = 0.0) -> None:
        self.channels = fitted()
        self.order: Sequence[str] = tuple(POSITIONS)  # in which the broadcast has the channels
        self.schedule = Schedule()
        self.now = 0.0
        self.warm_up = warm_up
        self.flush = FLUSH_SECONDS
        self.fault = False
        self.maintenance = False
        self.starts = [0, 0, 0, 0]
        self.stops = 0
        self._began: float | None = None
        self._queue: list[int] = []
        self._run: tuple[int, float] | None = None  # group, and when it began

    def set_at(self, when: float, name: str, value: str) -> None:
        """Change a setting at a time in seconds, as ``set`` does."""
        self.schedule.at(when, lambda: self.set(name, value))

    def swap_at(self, when: float, channels: Mapping[str, SimulatedChannel]) -> None:
        """Put another analyzer in this place at a time in seconds: one with these channels, and without others."""
        empty = {name: SimulatedChannel(EMPTY) for name in POSITIONS}
        self.schedule.at(when, lambda: setattr(self, "channels", empty | dict(channels)))

    def truth(self, parameter: str) -> Truth | None:
        """Return what the analyzer has in a channel now; None if the channel is not fitted."""
        channel = find_position(parameter).id
        found = self.channels[channel]
        if not found.labelled and POSITIONS[channel].kind is not Kind.EXTERNAL_INPUT:
            return None
        unit, name = decode_unit(found.label.unit).symbol, decode_name(found.label.name)
        return Truth(self.value(channel), unit, name, self.flags(channel), found.text)

    def advance(self, now: float) -> None:
        """Let the time pass: a run goes through its gases, then the next run in the queue begins."""
        if self._began is None:
            self._began = now
        self.now = now
        self.schedule.advance(now)
        while self._run is not None and now - self._run[1] >= self.flush * len(RUN):
            ended = self._run[1] + self.flush * len(RUN)
            self._run = (self._queue.pop(0), ended) if self._queue else None

    def start(self, group: int) -> None:
        """Request autocalibration of group 1 to 4; one runs, the others are queued."""
        self.starts[group - 1] += 1
        if self._run is None:
            self._run = (group, self.now)
        else:
            self._queue.append(group)

    def stop(self) -> None:
        """Stop all autocalibrations, and empty the queue."""
        self.stops += 1
        self._run = None
        self._queue.clear()

    @property
    def phases(self) -> list[Phase]:
        """The phase of each group."""
        phases = [Phase.IDLE] * 4
        if self._run is not None:
            group, since = self._run
            phases[group - 1] = RUN[min(int((self.now - since) / self.flush), len(RUN) - 1)]
        return phases

    @property
    def warming_up(self) -> bool:
        return self._began is not None and self.now - self._began < self.warm_up

    def value(self, channel: str) -> float:
        """Return the value of a channel now."""
        return self.channels[channel].at(self.now)

    def flags(self, channel: str) -> Flags:
        """Return the flags of a channel.

        Derived channels copy the states of their parent; external inputs have only a fault (invalid) and alarms.
        """
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
        """Set ``fault``, ``maintenance``, ``flush``, ``warm_up``, ``order``, or ``I1.value``, ``I1.alarm2`` and so on.

        Raises:
            ConfigError: an unknown setting, or an invalid value.
        """
        channel, dot, setting = name.partition(".")
        if dot:
            self._set_channel(self.channels[find_position(channel).id], setting, value)
        elif name in ("fault", "maintenance"):
            setattr(self, name, parse_switch(value))
        elif name == "order":
            first = [find_position(channel).id for channel in value.split()]
            self.order = (*first, *(channel for channel in POSITIONS if channel not in first))
        elif name in ("flush", "warm_up"):
            setattr(self, name, parse_number(value))
        else:
            raise ConfigError(
                f"--set: unknown setting {name!r} of the simulated analyzer", hint=f"Available: {SETTINGS}"
            )

    def _set_channel(self, channel: SimulatedChannel, setting: str, value: str) -> None:
        match setting:
            case "value" | "swing":
                setattr(channel, setting, parse_number(value))
            case "text":
                channel.text = value or None
            case "decimals":
                channel.decimals = int(parse_number(value))
            case "name":
                channel.label = Label(display_codes(value).ljust(6)[:6], channel.label.unit)
            case "unit":
                channel.label = Label(channel.label.name, value.encode("latin-1").center(3)[:3] + b"\0")
            case _ if setting in STATES:
                (channel.switches.add if parse_switch(value) else channel.switches.discard)(setting)
            case _:
                raise ConfigError(
                    f"--set: unknown channel setting {setting!r}",
                    hint=f"Available: value, swing, decimals, name, unit, text, {', '.join(STATES)}",
                )


def display_codes(text: str) -> bytes:
    """Return a name in the codes of the display."""
    return text.replace("₂", "\x82").encode("latin-1", "replace")


def parse_switch(value: str) -> bool:
    """Return the value of ``on`` or ``off``.

    Raises:
        ConfigError: neither of them.
    """
    if value.lower() not in SWITCH:
        raise ConfigError(f"--set: invalid value {value!r}; expected on or off")
    return SWITCH[value.lower()]


def parse_number(value: str) -> float:
    """Return a number.

    Raises:
        ConfigError: it is not a number.
    """
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"--set: invalid number {value!r}") from None
