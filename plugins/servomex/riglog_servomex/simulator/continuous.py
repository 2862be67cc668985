"""The simulated analyzer in continuous mode: one frame in every period.

Source: Servomex wire specification, section 3.6.
"""

from datetime import datetime, timedelta

from riglog.simulation import Simulator
from riglog_servomex.continuous.frames import checksum
from riglog_servomex.samples import Phase
from riglog_servomex.simulator.instrument import SimulatedAnalyzer, SimulatedChannel, parse_number

CLOCK_AT_START = datetime(2020, 10, 6, 2, 54, 12)
PHASE_CODES = {Phase.IDLE: "S1", Phase.CAL_GAS_1: "C1", Phase.CAL_GAS_2: "C2"}


class BroadcastSimulator(Simulator):
    """Sends a frame every ``period`` seconds; 0: none. What it receives is ignored."""

    def __init__(self, *, period: float = 2.0, analyzer: SimulatedAnalyzer | None = None) -> None:
        self.analyzer = analyzer or SimulatedAnalyzer()
        self.period = period
        self._sent = 0
        self._next: float | None = None

    def receive(self, data: bytes, now: float) -> bytes:
        return b""

    def next_due(self, now: float) -> float | None:
        if self._next is None and self.period:
            self._next = now + self.period / 2
        return self._next if self.period else None

    def idle(self, now: float) -> bytes:
        due = self.next_due(now)
        frames = b""
        while due is not None and due <= now:
            self.analyzer.advance(due)
            frames += frame_bytes(self.analyzer, CLOCK_AT_START + timedelta(seconds=round(self._sent * self.period)))
            self._sent += 1
            self._next = due = due + self.period
        return frames

    def set(self, name: str, value: str) -> None:
        if name == "period":
            self.period, self._next = parse_number(value), None
        else:
            self.analyzer.set(name, value)


def frame_bytes(analyzer: SimulatedAnalyzer, clock: datetime) -> bytes:
    """Return one frame: the channels that have a name, then both external inputs."""
    shown = [name for name in analyzer.order if analyzer.channels[name].labelled or name[0] == "E"]
    state = ("F" if analyzer.fault else " ") + ("M" if analyzer.maintenance else " ")
    groups = "".join(PHASE_CODES[phase] for phase in analyzer.phases)
    head = f" {clock:%d-%m-%y;%H:%M:%S};{state};{groups};{len(shown):02};"
    blocks = b"".join(_block(name, analyzer) for name in shown)
    line = head.encode() + blocks
    return line + b"%04X;\r\n" % checksum(line + b"0000;")


def _block(name: str, analyzer: SimulatedAnalyzer) -> bytes:
    """Return one channel of a frame, with ``;`` after every field."""
    channel, flags = analyzer.channels[name], analyzer.flags(name)
    raised = "".join(str(number) if on else " " for number, on in enumerate(flags.alarms, 1))
    state = ("F" if flags.fault else " ") + ("M" if flags.maintenance else " ")
    text = f"{_value_text(channel, analyzer.value(name))};".encode("latin-1")
    ends = f"{raised};{state};{'C' if flags.calibrating else ' '};{'W' if flags.warming_up else ' '};"
    label = channel.label.name.replace(b"\x82", b"2") if channel.labelled else b"||||||"
    return b"%b;%b;%b%b;%b" % (name.encode(), label.ljust(6), text, channel.label.unit[:3], ends.encode())


def _value_text(channel: SimulatedChannel, value: float) -> str:
    return (f"{value:.{channel.decimals}f}" if channel.text is None else channel.text).rjust(6)[:6]
