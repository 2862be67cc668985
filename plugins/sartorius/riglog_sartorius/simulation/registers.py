"""The commands of the simulated xBPI balance. Source: sections 3.5 to 3.11, 8."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from riglog_sartorius.simulation.scale import TO_GRAMS, ZEROING, Shown
from riglog_sartorius.simulation.table import Table
from riglog_sartorius.units import CONFIRMED
from riglog_sartorius.xbpi.items import ACK, U8, U16, U32, Item, parse_items
from riglog_sartorius.xbpi.numbers import OFF_SCALE, encode_float40
from riglog_sartorius.xbpi.opcodes import COMBINED

if TYPE_CHECKING:
    from riglog_sartorius.simulation.xbpi import XbpiBalance

UNIT_IDS = {unit: number for number, unit in CONFIRMED.items()}
NET, GROSS, TARE = 0x05, 0x03, 0x08
OUT_OF_RANGE, UNKNOWN, NOT_NOW, BAD_ARGUMENTS, BAD_INDEX = 0x03, 0x04, 0x06, 0x07, 0x10
DONE = [Item(ACK, b"")]
ZERO_RANGE = 0.02

Answer = list[Item]


class Refusal(Exception):  # noqa: N818 - a reply, not a failure
    """The balance answers with an error code."""

    def __init__(self, code: int) -> None:
        self.code = code


class Registers:
    """Every command as a function of its argument bytes and the time."""

    def __init__(self, balance: XbpiBalance) -> None:
        self.balance = balance
        self.table = Table(balance.family.parameters)
        self.cal_record = bytes(17)
        self._commands = self._readings() | self._identity() | self._changes() | self._system()

    def answer(self, opcode: int, args: bytes, now: float) -> Answer:
        command = self._commands.get(opcode)
        if command is None or opcode in self.balance.family.lacks:
            raise Refusal(UNKNOWN)
        return command(args, now)

    def _readings(self) -> dict[int, Callable[[bytes, float], Answer]]:
        scale = self.balance.scale
        return {
            0x1E: self._net,
            0x1F: lambda args, now: [self._weight(scale.net(now, self._digits(args)), NET)],
            0x20: lambda args, now: [self._weight(scale.gross(now), GROSS)],
            0x21: lambda args, now: [self._weight(scale.gross(now, self._digits(args)), GROSS)],
            0x22: lambda args, now: [self._weight(scale.tare_value(now), TARE)],
            0x23: lambda args, now: [self._weight(scale.tare_value(now, self._digits(args)), TARE)],
            0x2F: lambda args, now: [Item(0x12, self._bar_graph(now).to_bytes(2))],
            0x30: lambda args, now: [self._status(now)],
            0x31: lambda args, now: [Item(U16, b"\x00\x81")],
            0x32: lambda args, now: [Item(U16, self._status(now).data[3:5])],
            0x33: lambda args, now: [Item(U16, b"\x10\x00")],
            0x35: lambda args, now: [Item(U8, self._status(now).data[7:])],
            0x36: lambda args, now: [Item(U8, b"\x01")],
            0x57: lambda args, now: [Item(U32, (50).to_bytes(4))],
            0x76: self._temperature,
        }

    def _identity(self) -> dict[int, Callable[[bytes, float], Answer]]:
        family = self.balance.family
        version = bytes.fromhex(family.software + "00390139010001"[: 20 - len(family.software)])
        return {
            0x00: lambda args, now: [Item(0x4A, version)],
            0x01: lambda args, now: [Item(0x45, bytes.fromhex(family.serial))],
            0x02: lambda args, now: [Item(0x54, family.model.encode().ljust(20, b"\0"))],
            0x03: lambda args, now: [Item(0x48, bytes(8))],
            0x05: lambda args, now: [Item(0x50, bytes(16))],
            0x07: lambda args, now: [Item(0x50, b"Sartorius".ljust(16, b"\0"))],
            0x0A: self._configuration,
            0x0B: lambda args, now: [self._step(args, 100)],
            0x0C: lambda args, now: [self._float(args, self._in_unit(Fraction(family.capacity)))],
            0x0D: lambda args, now: [self._step(args, 1)],
            0x0E: lambda args, now: [self._step(args, 10)],
            0x0F: lambda args, now: [Item(U32, bytes.fromhex("02d801a4"))],
            0x71: lambda args, now: [Item(U8, bytes([self.balance.node]))],
            0xB9: lambda args, now: [Item(0x51, self.cal_record)],
            0xBA: lambda args, now: [Item(U8, bytes([self.table.changes]))],
            0xBC: lambda args, now: [Item(ACK, b"")] + [Item(0x4A, version)] * 2 if not args else self._refuse(args),
        }

    def _changes(self) -> dict[int, Callable[[bytes, float], Answer]]:
        return {
            0x14: self._tare,
            0x18: self._zero,
            0x26: lambda args, now: [Item(U8, bytes([self._parameter(1)[0]]))],
            0x28: self._adjust,
            0x2C: lambda args, now: self._write(1, *self._bytes(args, 1)),
            0x46: self._reload,
            0x47: self._save,
            0x55: lambda args, now: [Item(U8, bytes([number])) for number in self._parameter(*self._bytes(args, 1))],
            0x56: lambda args, now: self._write(*self._bytes(args, 2)),
        }

    def _system(self) -> dict[int, Callable[[bytes, float], Answer]]:
        idle = dict.fromkeys((0x15, 0x17, 0x19, 0x29), lambda args, now: self._refuse(args, NOT_NOW))
        return idle | dict.fromkeys((0x59, 0x5A, 0x67, 0xFF), lambda args, now: DONE)

    # readings

    def _net(self, args: bytes, now: float) -> Answer:
        scale = self.balance.scale
        if args == COMBINED:
            return [self._weight(scale.net(now), NET), self._status(now)]
        return [self._weight(scale.net(now, self._bytes(args, 1)[0] if args else 0), NET)]

    def _weight(self, shown: Shown, whose: int) -> Item:
        sign = 0 if not shown.value else 0x40 if shown.value > 0 else 0x80
        value = OFF_SCALE if shown.value is None else encode_float40(shown.value)
        tail = bytes([shown.decimals << 4, sign | UNIT_IDS[shown.unit], whose | (0x40 if shown.stable else 0)])
        return Item(0x48, value + tail)

    def _status(self, now: float) -> Item:
        balance, shown = self.balance, self.balance.scale.net(now)
        if balance.family.tells_load_state:
            state = 0x82 if shown.overload else 0x84 if shown.underload else 0x88 if shown.stable else 0x80
            status = 0x18 if balance.isocal_due else 0x08
        else:
            state, status = (0x08, 0x20) if shown.stable else (0x00, 0x00)
        tick = int(now * balance.family.ticks_per_second) & 0xFF
        return Item(0x48, bytes([0x00, 0x00, 0x81, state, status, 0x10, 0x00, tick]))

    def _bar_graph(self, now: float) -> int:
        grams = self.balance.scale.physical(now)
        return max(0, int(1000 * grams / self.balance.family.capacity))

    def _temperature(self, args: bytes, now: float) -> Answer:
        sensor = self._bytes(args, 1)[0]
        temperatures = self.balance.family.temperatures
        if sensor >= len(temperatures):
            raise Refusal(UNKNOWN)
        value = temperatures[sensor]
        return [Item(0x35, OFF_SCALE if value is None else encode_float40(Fraction(value)))]

    def _configuration(self, args: bytes, now: float) -> Answer:
        shown = self.balance.scale.net(now)
        return [Item(0x48, bytes([1, 1, 0, 0, 0, shown.decimals, UNIT_IDS[shown.unit], 1]))]

    def _step(self, args: bytes, factor: int) -> Item:
        return self._float(args, self._in_unit(Fraction(factor, 10**self.balance.family.decimals)))

    def _float(self, args: bytes, value: Fraction) -> Item:
        self._bytes(args, 1)
        return Item(0x35, encode_float40(value))

    def _in_unit(self, grams: Fraction) -> Fraction:
        return grams / Fraction(10) ** TO_GRAMS[self.balance.scale.unit]

    # changes

    def _tare(self, args: bytes, now: float) -> Answer:
        self.balance.scale.tare(now)
        return DONE

    def _zero(self, args: bytes, now: float) -> Answer:
        scale = self.balance.scale
        if abs(scale.physical(now)) > scale.capacity * ZERO_RANGE:
            raise Refusal(NOT_NOW)
        scale.zero(now, blind=ZEROING)
        return DONE

    def _adjust(self, args: bytes, now: float) -> Answer:
        kind = self._bytes(args, 1)[0]
        if not 0x70 <= kind <= 0x7B:
            raise Refusal(OUT_OF_RANGE)
        if kind != 0x78:
            raise Refusal(NOT_NOW)
        self.balance.scale.adjust(now)
        self.balance.isocal_due = False
        counters = bytes((old + step) & 0xFF for old, step in zip(self.cal_record[13:16], (2, 1, 1), strict=True))
        temperature = struct.pack(">f", self.balance.family.temperatures[0])
        self.cal_record = temperature + bytes.fromhex("010900040206000701") + counters + b"\0"
        return DONE

    def _write(self, index: int, value: int) -> Answer:
        if not self.table.write(index, value):
            raise Refusal(OUT_OF_RANGE)
        if index == 7 and value in CONFIRMED and CONFIRMED[value] != "N":
            self.balance.scale.unit = CONFIRMED[value]
        return DONE

    def _save(self, args: bytes, now: float) -> Answer:
        self.table.save()
        return DONE

    def _reload(self, args: bytes, now: float) -> Answer:
        self.table.reload()
        return DONE

    def _parameter(self, index: int) -> tuple[int, int]:
        found = self.table.read(index)
        if found is None:
            raise Refusal(OUT_OF_RANGE)
        return found

    # arguments

    def _digits(self, args: bytes) -> int:
        (more,) = self._bytes(args, 1)
        if more not in (1, 2):
            raise Refusal(OUT_OF_RANGE)
        return more

    @staticmethod
    def _bytes(args: bytes, count: int) -> tuple[int, ...]:
        """So many ``21 vv`` items; anything else is a wrong argument."""
        items, rest = parse_items(args)
        if rest or len(items) != count or any(item.type != U8 for item in items):
            raise Refusal(BAD_ARGUMENTS)
        return tuple(item.number for item in items)

    @staticmethod
    def _refuse(args: bytes, code: int = BAD_ARGUMENTS) -> Answer:
        raise Refusal(code)
