"""The simulated analyzer over Modbus: its register map, and how it loses requests that come too soon.

Source: Servomex wire specification, sections 8, 11.2, 12 and 17.
"""

import random
import struct
from collections.abc import Sequence

from riglog.protocol.modbus import IllegalDataAddressError
from riglog.simulation import ModbusServer, ModbusServers, Simulator
from riglog_servomex.modbus.calibration import STOP_COIL
from riglog_servomex.modbus.registers import ANALYZER_BITS, ANALYZER_START
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS
from riglog_servomex.samples import Flags, Phase
from riglog_servomex.simulator.instrument import NAMELESS_INPUT, SimulatedAnalyzer, parse_switch

IDS = tuple(POSITIONS)
COILS = STOP_COIL + 1
TURNAROUND = 0.03
REQUIRED_GAP = 0.0499  # 50 ms, less a margin for clocks that round
LOSSES = ((0.01, 0.26), (REQUIRED_GAP, 0.08))
"""Seconds of inter-frame gap below which an impatient analyzer loses this share of the requests."""


class AnalyzerServer(ModbusServer):
    """The register map of an analyzer. ``narrow``: spans that touch a position which is not fitted are refused."""

    functions = frozenset({1, 2, 4, 5, 8, 15})

    def __init__(self, analyzer: SimulatedAnalyzer) -> None:
        self.analyzer = analyzer
        self.narrow = False
        self.coils = [False] * COILS

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        self._check_span(start, count, REGISTERS)
        data = b"".join(self._channel(channel) for channel in IDS)
        return struct.unpack(f">{count}H", data[2 * start : 2 * (start + count)])

    def read_bits(self, function: int, start: int, count: int) -> Sequence[bool]:
        if function == 1:
            _check_range(start, count, 0, COILS)
            return self.coils[start : start + count]
        if start >= ANALYZER_START:
            _check_range(start, count, ANALYZER_START, ANALYZER_BITS)
            return self._analyzer_bits()[start - ANALYZER_START :][:count]
        self._check_span(start, count, BITS)
        bits = [bit for channel in IDS for bit in flag_bits(self.analyzer.flags(channel))]
        return bits[start : start + count]

    def write_bits(self, start: int, bits: Sequence[bool]) -> None:
        """Act on the change from 0 to 1; the coil stays as it was written."""
        _check_range(start, len(bits), 0, COILS)
        for coil, bit in enumerate(bits, start):
            rises = bit and not self.coils[coil]
            self.coils[coil] = bit
            if rises and coil == STOP_COIL:
                self.analyzer.stop()
            elif rises and coil < 4:
                self.analyzer.start(coil + 1)

    def _channel(self, channel: str) -> bytes:
        label = self.analyzer.channels[channel].label
        return struct.pack(">f", self.analyzer.value(channel)) + label.name + label.unit

    def _analyzer_bits(self) -> list[bool]:
        pairs = [(phase is not Phase.IDLE, phase is Phase.CAL_GAS_2) for phase in self.analyzer.phases]
        return [self.analyzer.fault, self.analyzer.maintenance, *[False] * 6, *(bit for pair in pairs for bit in pair)]

    def _check_span(self, start: int, count: int, width: int) -> None:
        _check_range(start, count, 0, width * len(IDS))
        touched = IDS[start // width : (start + count - 1) // width + 1]
        if self.narrow and not all(self._is_fitted(channel) for channel in touched):
            raise IllegalDataAddressError

    def _is_fitted(self, name: str) -> bool:
        channel = self.analyzer.channels[name]
        return channel.labelled or channel.label == NAMELESS_INPUT


class ModbusSimulator(Simulator):
    """One analyzer at one address. ``impatient``: it loses requests that come too soon after the last transaction."""

    latency = TURNAROUND

    def __init__(self, protocol: str, address: int = 1, *, analyzer: SimulatedAnalyzer | None = None) -> None:
        self.analyzer = analyzer or SimulatedAnalyzer()
        self.server = AnalyzerServer(self.analyzer)
        self.impatient = False
        self._servers = ModbusServers(protocol, {address: self.server})
        self._free_at = float("-inf")
        self._random = random.Random(1)

    def receive(self, data: bytes, now: float) -> bytes:
        self.analyzer.advance(now)
        reply = self._servers.receive(data, now)
        if reply and self.impatient and self._is_lost(now - self._free_at):
            return b""
        if reply:
            self._free_at = now + self.latency
        return reply

    def foreign(self, reply: bytes) -> bytes:
        return self._servers.foreign(reply)

    def set(self, name: str, value: str) -> None:
        if name == "impatient":
            self.impatient = parse_switch(value)
        elif name == "narrow":
            self.server.narrow = parse_switch(value)
        else:
            self.analyzer.set(name, value)

    def _is_lost(self, gap: float) -> bool:
        share = next((share for limit, share in LOSSES if gap < limit), 0.0)
        return self._random.random() < share


def flag_bits(flags: Flags) -> list[bool]:
    """Return the eight bits of a position."""
    return [flags.fault, flags.maintenance, flags.calibrating, flags.warming_up, *flags.alarms]


def _check_range(start: int, count: int, first: int, length: int) -> None:
    if start < first or start + count > first + length:
        raise IllegalDataAddressError
