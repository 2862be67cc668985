"""The far end of the wire in all three modes, byte-accurate. Source: Servomex wire specification, 3.6 and 17."""

import random
import struct
from collections.abc import Sequence
from datetime import datetime, timedelta

from riglog.protocol.modbus import IllegalDataAddressError
from riglog.simulation import ModbusServer, ModbusServers, Simulator
from riglog_servomex.frame import checksum
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS
from riglog_servomex.reading import Flags, Phase
from riglog_servomex.registers import ANALYSER_BITS, ANALYSER_START
from riglog_servomex.simulated_analyser import NAMELESS_INPUT, SimulatedAnalyser, SimulatedChannel, number, switch

IDS = tuple(POSITIONS)
STOP_COIL = 8
COILS = STOP_COIL + 1
ANSWER_DELAY = 0.03
NEEDED_IDLE = 0.0499  # 50 ms, and a hair for clocks that round
LOSSES = ((0.01, 0.26), (NEEDED_IDLE, 0.08))
"""Seconds of silence below which an impatient analyser loses this share of requests."""
CLOCK_AT_START = datetime(2020, 10, 6, 2, 54, 12)
PHASE_CODES = {Phase.IDLE: "S1", Phase.CAL_GAS_1: "C1", Phase.CAL_GAS_2: "C2"}


class AnalyserSlave(ModbusServer):
    """The register map over an analyser. ``narrow``: spans that touch a position which is not fitted are refused."""

    functions = frozenset({1, 2, 4, 5, 8, 15})

    def __init__(self, analyser: SimulatedAnalyser) -> None:
        self.analyser = analyser
        self.narrow = False
        self.coils = [False] * COILS

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        self._check_span(start, count, REGISTERS)
        data = b"".join(self._channel(one) for one in IDS)
        return struct.unpack(f">{count}H", data[2 * start : 2 * (start + count)])

    def read_bits(self, function: int, start: int, count: int) -> Sequence[bool]:
        if function == 1:
            _check_range(start, count, 0, COILS)
            return self.coils[start : start + count]
        if start >= ANALYSER_START:
            _check_range(start, count, ANALYSER_START, ANALYSER_BITS)
            return self._analyser_bits()[start - ANALYSER_START :][:count]
        self._check_span(start, count, BITS)
        bits = [bit for one in IDS for bit in flag_bits(self.analyser.flags(one))]
        return bits[start : start + count]

    def write_bits(self, start: int, bits: Sequence[bool]) -> None:
        """The action is the change from 0 to 1; the coil stays as written."""
        _check_range(start, len(bits), 0, COILS)
        for coil, bit in enumerate(bits, start):
            rises = bit and not self.coils[coil]
            self.coils[coil] = bit
            if rises and coil == STOP_COIL:
                self.analyser.stop()
            elif rises and coil < 4:
                self.analyser.start(coil + 1)

    def _channel(self, one: str) -> bytes:
        label = self.analyser.channels[one].label
        return struct.pack(">f", self.analyser.value(one)) + label.name + label.unit

    def _analyser_bits(self) -> list[bool]:
        pairs = [(phase is not Phase.IDLE, phase is Phase.CAL_GAS_2) for phase in self.analyser.phases]
        return [self.analyser.fault, self.analyser.maintenance, *[False] * 6, *(bit for pair in pairs for bit in pair)]

    def _check_span(self, start: int, count: int, width: int) -> None:
        _check_range(start, count, 0, width * len(IDS))
        touched = IDS[start // width : (start + count - 1) // width + 1]
        if self.narrow and not all(self._is_fitted(one) for one in touched):
            raise IllegalDataAddressError

    def _is_fitted(self, one: str) -> bool:
        channel = self.analyser.channels[one]
        return channel.labelled or channel.label == NAMELESS_INPUT


class ModbusSimulator(Simulator):
    """One analyser at one address. ``impatient``: it loses requests that come too soon after the last exchange."""

    latency = ANSWER_DELAY

    def __init__(self, protocol: str, address: int = 1, *, analyser: SimulatedAnalyser | None = None) -> None:
        self.analyser = analyser or SimulatedAnalyser()
        self.slave = AnalyserSlave(self.analyser)
        self.impatient = False
        self._server = ModbusServers(protocol, {address: self.slave})
        self._free_at = float("-inf")
        self._dice = random.Random(1)

    def receive(self, data: bytes, now: float) -> bytes:
        self.analyser.advance(now)
        reply = self._server.receive(data, now)
        if reply and self.impatient and self._loses(now - self._free_at):
            return b""
        if reply:
            self._free_at = now + self.latency
        return reply

    def foreign(self, reply: bytes) -> bytes:
        return self._server.foreign(reply)

    def set(self, name: str, value: str) -> None:
        if name == "impatient":
            self.impatient = switch(value)
        elif name == "narrow":
            self.slave.narrow = switch(value)
        else:
            self.analyser.set(name, value)

    def _loses(self, idle: float) -> bool:
        share = next((share for limit, share in LOSSES if idle < limit), 0.0)
        return self._dice.random() < share


class BroadcastSimulator(Simulator):
    """An analyser in continuous mode: a frame every ``period`` seconds, 0 is silence. What it is told it ignores."""

    def __init__(self, *, period: float = 2.0, analyser: SimulatedAnalyser | None = None) -> None:
        self.analyser = analyser or SimulatedAnalyser()
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
            self.analyser.advance(due)
            frames += frame_bytes(self.analyser, CLOCK_AT_START + timedelta(seconds=round(self._sent * self.period)))
            self._sent += 1
            self._next = due = due + self.period
        return frames

    def set(self, name: str, value: str) -> None:
        if name == "period":
            self.period, self._next = number(value), None
        else:
            self.analyser.set(name, value)


def frame_bytes(analyser: SimulatedAnalyser, clock: datetime) -> bytes:
    """One broadcast line: channels that have a name, then both external inputs."""
    shown = [one for one, channel in analyser.channels.items() if channel.labelled or one[0] == "E"]
    state = ("F" if analyser.fault else " ") + ("M" if analyser.maintenance else " ")
    groups = "".join(PHASE_CODES[phase] for phase in analyser.phases)
    head = f" {clock:%d-%m-%y;%H:%M:%S};{state};{groups};{len(shown):02};"
    blocks = b"".join(_block(one, analyser) for one in shown)
    line = head.encode() + blocks
    return line + b"%04X;\r\n" % checksum(line + b"0000;")


def _block(one: str, analyser: SimulatedAnalyser) -> bytes:
    """A channel of a broadcast line, ``;`` behind every field."""
    channel, flags = analyser.channels[one], analyser.flags(one)
    raised = "".join(str(number) if on else " " for number, on in enumerate(flags.alarms, 1))
    state = ("F" if flags.fault else " ") + ("M" if flags.maintenance else " ")
    text = f"{_shown(channel, analyser.value(one))};".encode("latin-1")
    ends = f"{raised};{state};{'C' if flags.calibrating else ' '};{'W' if flags.warming_up else ' '};"
    name = channel.label.name.replace(b"\x82", b"2") if channel.labelled else b"||||||"
    return b"%b;%b;%b%b;%b" % (one.encode(), name.ljust(6), text, channel.label.unit[:3], ends.encode())


def _shown(channel: SimulatedChannel, value: float) -> str:
    return (f"{value:.{channel.decimals}f}" if channel.text is None else channel.text).rjust(6)[:6]


def flag_bits(flags: Flags) -> list[bool]:
    return [flags.fault, flags.maintenance, flags.calibrating, flags.warming_up, *flags.alarms]


def _check_range(start: int, count: int, first: int, length: int) -> None:
    if start < first or start + count > first + length:
        raise IllegalDataAddressError
