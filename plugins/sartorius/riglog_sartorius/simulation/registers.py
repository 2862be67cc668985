"""The commands of the simulated xBPI balance by opcode, and those that change it. Source: sections 3.10, 3.11, 8."""

import struct

from riglog_sartorius.simulation.balance import SimulatedBalance
from riglog_sartorius.simulation.nameplate import nameplate
from riglog_sartorius.simulation.readings import readings
from riglog_sartorius.simulation.replying import (
    DONE,
    NOT_NOW,
    OUT_OF_RANGE,
    UNKNOWN,
    Command,
    Refusal,
    TimedReply,
    constant,
    refusing,
    u8_arguments,
)
from riglog_sartorius.simulation.scale import TO_GRAMS, ZEROING
from riglog_sartorius.simulation.table import Table
from riglog_sartorius.units import CONFIRMED
from riglog_sartorius.xbpi.items import U8, Item

ZERO_RANGE = 0.02
INTERNAL = 0x78
INTERNAL_SIGNATURE = bytes.fromhex("010900040206000701")
FILTER, DISPLAY_UNIT = 1, 7
ABORTS, CLEARS, NO_OPERATIONS = (0x15, 0x17, 0x19, 0x29), (0x59, 0x5A), (0x67, 0xFF)


class Registers:
    """Every command as a function of its argument bytes and the time."""

    def __init__(self, balance: SimulatedBalance, node: int) -> None:
        self.balance = balance
        self.table = Table(balance.family.parameters)
        self.cal_record = bytes(17)
        self._commands: dict[int, Command] = (
            readings(balance)
            | nameplate(balance, node)
            | self._changing()
            | dict.fromkeys(ABORTS, refusing(NOT_NOW))
            | dict.fromkeys(CLEARS + NO_OPERATIONS, constant(*DONE))
        )

    def answer(self, opcode: int, args: bytes, now: float) -> TimedReply:
        command = self._commands.get(opcode)
        if command is None or opcode in self.balance.family.lacks:
            raise Refusal(UNKNOWN)
        return command(args, now)

    def _changing(self) -> dict[int, Command]:
        """Commands that change the balance, and those that read what they changed."""
        return {
            0x14: self._tare,
            0x18: self._zero,
            0x26: lambda args, now: [Item(U8, bytes([self._parameter(FILTER)[0]]))],
            0x28: self._adjust,
            0x2C: lambda args, now: self._write(FILTER, *u8_arguments(args, 1)),
            0x46: self._reload,
            0x47: self._save,
            0x55: lambda args, now: [Item(U8, bytes([number])) for number in self._parameter(*u8_arguments(args, 1))],
            0x56: lambda args, now: self._write(*u8_arguments(args, 2)),
            0xB9: lambda args, now: [Item(0x51, self.cal_record)],
            0xBA: lambda args, now: [Item(U8, bytes([self.table.changes]))],
        }

    def _tare(self, args: bytes, now: float) -> TimedReply:
        self.balance.scale.tare(now)
        return DONE

    def _zero(self, args: bytes, now: float) -> TimedReply:
        scale = self.balance.scale
        if abs(scale.physical(now)) > scale.capacity * ZERO_RANGE:
            raise Refusal(NOT_NOW)
        scale.zero(now, blind=ZEROING)
        return DONE

    def _adjust(self, args: bytes, now: float) -> TimedReply:
        (kind,) = u8_arguments(args, 1)
        if not 0x70 <= kind <= 0x7B:
            raise Refusal(OUT_OF_RANGE)
        if kind != INTERNAL:
            raise Refusal(NOT_NOW)
        self.balance.scale.adjust(now)
        self.balance.isocal_due = False
        counters = bytes((old + step) & 0xFF for old, step in zip(self.cal_record[13:16], (2, 1, 1), strict=True))
        self.cal_record = struct.pack(">f", self.balance.family.temperatures[0]) + INTERNAL_SIGNATURE + counters + b"\0"
        return DONE

    def _write(self, index: int, value: int) -> TimedReply:
        if not self.table.write(index, value):
            raise Refusal(OUT_OF_RANGE)
        if index == DISPLAY_UNIT and CONFIRMED.get(value) in TO_GRAMS:
            self.balance.scale.unit = CONFIRMED[value]
        return DONE

    def _parameter(self, index: int) -> tuple[int, int]:
        found = self.table.read(index)
        if found is None:
            raise Refusal(OUT_OF_RANGE)
        return found

    def _save(self, args: bytes, now: float) -> TimedReply:
        self.table.save()
        return DONE

    def _reload(self, args: bytes, now: float) -> TimedReply:
        self.table.reload()
        return DONE
