"""A simulated balance on an xBPI port: one reply to every intact request, no reply to anything else.

Here are the commands that change the balance, and those that read what was changed. Source: sections 3.10, 3.11, 8.
"""

import struct

from riglog_sartorius.parameters import BAUD, parameter
from riglog_sartorius.simulator.instrument import FAMILIES, Family, SimulatedBalance, number_of
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.scale import TO_GRAMS, Scale
from riglog_sartorius.simulator.xbpi_reads import (
    NOT_NOW,
    OUT_OF_RANGE,
    UNKNOWN,
    Command,
    Refusal,
    constant,
    nameplate,
    u8_arguments,
    weights,
)
from riglog_sartorius.units import CONFIRMED
from riglog_sartorius.xbpi.frames import ACK, BALANCE, ERROR, U8, Item, checksum, reply_frame
from riglog_sartorius.xbpi.opcodes import opcode

INTER_BYTE_GAP = 0.1
SHORTEST_REQUEST = 4
INTERNAL = 0x78
INTERNAL_SIGNATURE = bytes.fromhex("010900040206000701")
FILTER, DISPLAY_UNIT, ZERO_RANGE, BAUD_RATE, PROTOCOL, OUTPUT_MODE, LINE_FORMAT = 1, 7, 11, 31, 35, 36, 39
BAUD_CODES = {0: 7, 1: 8, 2: 9, 3: 10}
"""The codes of the command that sets the baud rate, as codes of the parameter."""

SBI_PROTOCOL, WIDE_LINES = 1, 2
OUTPUTS = {2: "after_stability", 3: "at_stability"}
ABORTS = ("abort_tare_combined", "abort_tare", "abort_zero", "abort_adjustment")
WITHOUT_EFFECT = ("clear_activity_flag", "clear_activity_flag_2", "no_operation_67", "no_operation")
DONE = [Item(ACK, b"")]

UNCOUNTED = (13, 36, 50)
"""Writing these parameters does not increase the counter of changes."""

DEFAULTS = {7: 2, 11: 2, 15: 3, 31: 8, 32: 3, 33: 1, 34: 3, 35: 2, 36: 1, 38: 1, 39: 2, 61: 2}
UNDOCUMENTED_HIGHEST = 4


class XbpiBalance(SimulatedBalance):
    """``node`` is the number of the balance; it responds to this number and to 09."""

    def __init__(
        self, family: Family = FAMILIES["cubis"], *, node: int = 0, baudrate: int = 19200, scale: Scale | None = None
    ) -> None:
        self.node = node
        self._baudrate = baudrate
        super().__init__(family, scale=scale)
        self._collected = b""
        self._last_byte = 0.0
        self._sbi: SbiBalance | None = None
        self._told_baudrate: int | None = None
        self._port_baudrate: int | None = None
        self._power_cycle: float | None = None

    def use(self, family: Family, scale: Scale | None = None) -> None:
        super().use(family, scale)
        self._state = Commands(self, self._baudrate)
        self._commands = self._state.by_name

    def receive(self, data: bytes, now: float) -> bytes:
        self.in_use = True
        self.schedule.advance(now)
        if self._told_baudrate is not None and self._port_baudrate not in (None, self._told_baudrate):
            return b""  # with another baud rate nothing is understood
        if self._sbi is not None:
            return self._sbi.receive(data, now)
        if now - self._last_byte > INTER_BYTE_GAP:
            self._collected = b""
        self._last_byte = now
        self._collected += data
        replies = b""
        while self._collected and len(self._collected) > self._collected[0]:
            end = self._collected[0] + 1
            request, self._collected = self._collected[:end], self._collected[end:]
            replies += self.reply_to(request, now)
        return replies

    def idle(self, now: float) -> bytes:
        self.schedule.advance(now)
        return b"" if self._sbi is None else self._sbi.idle(now)

    def next_due(self, now: float) -> float | None:
        return self.schedule.next_due() if self._sbi is None else self._sbi.next_due(now)

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        self._port_baudrate = baudrate

    def told(self, baudrate: int) -> None:
        """From the next request on, understand this baud rate only."""
        self._told_baudrate = baudrate

    def saved(self, now: float) -> None:
        """Be switched off and on some time after the parameters were saved, if that is set."""
        if self._power_cycle is not None:
            self.schedule.at(now + self._power_cycle, self.switch_off_and_on)

    def switch_off_and_on(self) -> None:
        """Begin with the saved parameters: baud rate and protocol, too."""
        table = self._state.parameters
        table.reload()
        table.changes = 1
        self._state.cal_record = bytes(17)
        if self._told_baudrate is not None:
            self._told_baudrate = table.baudrate
        self._sbi = None
        if table.read(PROTOCOL) is not None and table.value(PROTOCOL) == SBI_PROTOCOL:
            self._sbi = SbiBalance(self.family, wide=table.value(LINE_FORMAT) == WIDE_LINES, scale=self.scale)
            self._sbi.set("output", OUTPUTS.get(table.value(OUTPUT_MODE), "immediate"))

    def _set(self, name: str, value: str) -> None:
        match name:
            case "power":
                {"cycle": self.switch_off_and_on}[value]()
            case "power_cycle":
                self._power_cycle = None if value == "off" else max(number_of(value), 0.0)
            case _:
                super()._set(name, value)

    def foreign(self, reply: bytes) -> bytes:
        """Return a line that a port which was switched from SBI may still send."""
        return b"N     +   99.999 g  \r\n"

    def reply_to(self, request: bytes, now: float) -> bytes:
        """Return the reply to one request; none if it is damaged or for another node."""
        intact = len(request) > SHORTEST_REQUEST and checksum(request[:-1]) == request[-1]
        if not intact or request[2] not in (BALANCE, self.node):
            return b""
        try:
            items = self._items(request[3], request[4:-1], now)
        except Refusal as refusal:
            items = [Item(ERROR, bytes([refusal.code]))]
        return reply_frame(b"".join(item.encoded() for item in items))

    def _items(self, code: int, args: bytes, now: float) -> list[Item]:
        command = self._commands.get(opcode(code).name)
        if command is None or code in self.family.lacks:
            raise Refusal(UNKNOWN)
        return command(args, now)


class Commands:
    """All commands of a balance, and what they change: parameters and the adjustment record."""

    def __init__(self, balance: XbpiBalance, baudrate: int) -> None:
        self.balance = balance
        self.parameters = ParameterTable(balance.family.parameters, baudrate)
        self.cal_record = bytes(17)
        self.by_name: dict[str, Command] = (
            weights(balance)
            | nameplate(balance, lambda: balance.node)
            | dict.fromkeys(ABORTS, self._nothing_to_abort)
            | dict.fromkeys(WITHOUT_EFFECT, constant(*DONE))
            | {
                "tare": self._tare,
                "zero": self._zero,
                "read_filter_mode": lambda args, now: [Item(U8, bytes([self._read(FILTER)[0]]))],
                "start_adjustment": self._adjust,
                "write_filter_mode": lambda args, now: self._write(FILTER, *u8_arguments(args, 1)),
                "reload_menu": self._reload,
                "save_menu": self._save,
                "read_parameter": lambda args, now: [
                    Item(U8, bytes([number])) for number in self._read(*u8_arguments(args, 1))
                ],
                "write_parameter": lambda args, now: self._write(*u8_arguments(args, 2)),
                "write_sbn": self._write_node,
                "set_baud_rate": self._set_baud_rate,
                "read_last_cal_record": lambda args, now: [Item(0x51, self.cal_record)],
                "read_config_counter": lambda args, now: [Item(U8, bytes([self.parameters.changes]))],
            }
        )

    def _nothing_to_abort(self, args: bytes, now: float) -> list[Item]:
        raise Refusal(NOT_NOW)

    def _tare(self, args: bytes, now: float) -> list[Item]:
        self.balance.scale.tare(now)
        return DONE

    def _zero(self, args: bytes, now: float) -> list[Item]:
        scale = self.balance.scale
        scale.zero_range = self.parameters.zero_range
        if not scale.zero(now):
            raise Refusal(NOT_NOW)
        return DONE

    def _write_node(self, args: bytes, now: float) -> list[Item]:
        (self.balance.node,) = u8_arguments(args, 1)
        return DONE

    def _set_baud_rate(self, args: bytes, now: float) -> list[Item]:
        (code,) = u8_arguments(args, 1)
        if code not in BAUD_CODES:
            raise Refusal(OUT_OF_RANGE)
        self.parameters.write(BAUD_RATE, BAUD_CODES[code])
        self.balance.told(int(BAUD[BAUD_CODES[code]]))
        return DONE

    def _adjust(self, args: bytes, now: float) -> list[Item]:
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

    def _write(self, index: int, value: int) -> list[Item]:
        if not self.parameters.write(index, value):
            raise Refusal(OUT_OF_RANGE)
        if index == DISPLAY_UNIT and CONFIRMED.get(value) in TO_GRAMS:
            self.balance.scale.unit = CONFIRMED[value]
        return DONE

    def _read(self, index: int) -> tuple[int, int]:
        found = self.parameters.read(index)
        if found is None:
            raise Refusal(OUT_OF_RANGE)
        return found

    def _save(self, args: bytes, now: float) -> list[Item]:
        self.parameters.save()
        self.balance.saved(now)
        return DONE

    def _reload(self, args: bytes, now: float) -> list[Item]:
        self.parameters.reload()
        return DONE


class ParameterTable:
    """The parameters by index, in RAM and EEPROM. ``changes`` is what the configuration counter reads."""

    def __init__(self, indices: frozenset[int], baudrate: int) -> None:
        codes = {int(label): code for code, label in BAUD.items()}
        self._values = {index: DEFAULTS.get(index, 2 if index == 0 else 1) for index in indices}
        if BAUD_RATE in self._values:
            self._values[BAUD_RATE] = codes.get(baudrate, self._values[BAUD_RATE])
        self._saved = dict(self._values)
        self.changes = 1

    def value(self, index: int) -> int:
        return self._values[index]

    @property
    def baudrate(self) -> int | None:
        """That of the port; None if the balance does not have the parameter."""
        code = self._values.get(BAUD_RATE)
        return None if code is None else int(BAUD[code])

    @property
    def zero_range(self) -> float:
        """The part of the capacity within which zero can be set."""
        return min(self._values.get(ZERO_RANGE, DEFAULTS[ZERO_RANGE]), 2) / 100

    def read(self, index: int) -> tuple[int, int] | None:
        """Return value and highest value; None if the balance does not have the parameter."""
        return (self._values[index], self._highest(index)) if index in self._values else None

    def write(self, index: int, value: int) -> bool:
        """Write a value; False if it is not accepted."""
        if index not in self._values or not 1 <= value <= self._highest(index):
            return False
        self._values[index] = value
        if index not in UNCOUNTED:
            self.changes = (self.changes + 1) & 0xFF
        return True

    def save(self) -> None:
        self._saved = dict(self._values)

    def reload(self) -> None:
        self._values = dict(self._saved)

    @staticmethod
    def _highest(index: int) -> int:
        known = parameter(index)
        return known.highest if known.labels else UNDOCUMENTED_HIGHEST
