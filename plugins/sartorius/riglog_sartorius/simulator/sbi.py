"""A simulated balance on an SBI port: lines with or without requests, in both widths. Source: sections 2.2, 4, 8."""

from enum import StrEnum

from riglog_sartorius.sbi.commands import COMMAND
from riglog_sartorius.sbi.lines import END
from riglog_sartorius.simulator.instrument import FAMILIES, Family, SimulatedBalance, number_of
from riglog_sartorius.simulator.scale import Scale, Shown

AS_EIGHT_BITS = "7-as-8"
STABILITY_CHECK_SECONDS = 0.05

VALUE_WIDTH, UNIT_WIDTH, ID_WIDTH = 9, 3, 6
STATUS_COLUMNS = {"High": 7, "Low": 7, "Cal.Int.": 4, "": 1}
"""The column in a 14-character line in which a word begins, counted from 1."""


class Output(StrEnum):
    """Parameter 36: when a line may be sent."""

    IMMEDIATE = "immediate"
    AFTER_STABILITY = "after_stability"
    AT_STABILITY = "at_stability"


class SbiBalance(SimulatedBalance):
    """``interval`` is the time between two lines of autoprint; None: autoprint is off.

    ``wide``: 22-character lines. ``trim``: without the blanks at their end. ``labels``: a wide line is labelled
    ``net``, or ``gross_until_tared``. ``output``: whether a line, requested or not, waits for stability.
    """

    def __init__(
        self,
        family: Family = FAMILIES["cubis"],
        *,
        interval: float | None = None,
        wide: bool = True,
        scale: Scale | None = None,
    ) -> None:
        super().__init__(family, scale=scale)
        self.interval = interval
        self.wide = wide
        self.output = Output.IMMEDIATE
        self.trim = False
        self.gross_until_tared = False
        self.as_eight_bits = False
        self._stopped = False
        self._due: float | None = None
        self._line_requested = False
        self._collected = b""

    @property
    def autoprinting(self) -> bool:
        """True if lines are sent without requests at present."""
        return self.interval is not None and not self._stopped

    def receive(self, data: bytes, now: float) -> bytes:
        self.in_use = True
        self.schedule.advance(now)
        self._collected += data
        replies = b""
        while command := COMMAND.search(self._collected):
            self._collected = self._collected[command.end() :]
            replies += self.execute(command[1].decode("ascii", "replace"), now)
        at = self._collected.find(b"\x1b")
        self._collected = self._collected[at:] if at >= 0 else b""
        return self._rendered(replies)

    def idle(self, now: float) -> bytes:
        self.schedule.advance(now)
        lines = b""
        if self._line_requested and self.scale.stable(now):
            self._line_requested = False
            lines += self._line(now)
        due = self.next_due(now)
        while self.autoprinting and due is not None and due <= now:
            if self.output is Output.IMMEDIATE or self.scale.stable(due):
                lines += self._line(due)
            due = self._due = due + (self.interval or 1.0)
        return self._rendered(lines)

    def next_due(self, now: float) -> float | None:
        self.in_use = True
        if self._line_requested:
            return now + STABILITY_CHECK_SECONDS
        if not self.autoprinting:
            return None
        if self._due is None:
            self._due = now + (self.interval or 1.0)
        return self._due

    def foreign(self, reply: bytes) -> bytes:
        """Return a frame of a balance in xBPI mode."""
        return bytes.fromhex("0b41484347fcac0830424585")

    def execute(self, token: str, now: float) -> bytes:
        """Return the reply to a command; most have none, and unknown ones are ignored."""
        family = self.family
        match token:
            case "P" | "p_" | "kP_":
                self._stopped = self.interval is not None
                return self._requested_line(now)
            case "x1_":
                return identity_line("", family.model, self.wide)
            case "x2_":
                return identity_line("SerNo.", family.serial, self.wide)
            case "x3_":
                digits = family.software
                return identity_line("BAC:", f"{digits[:2]}-{digits[2:4]}-{digits[4:]}", self.wide)
            case "T" | "U" | "f4_":
                self.scale.tare(now)
                self._restart()
            case "V" | "f3_":
                self.scale.zero(now)
                self._restart()
                return status_line("", self.wide) if self.autoprinting else b""
            case "Z":
                self.scale.adjust(now)
        return b""

    def _restart(self) -> None:
        if self._stopped:
            self._stopped, self._due = False, None

    def _requested_line(self, now: float) -> bytes:
        if self.output is Output.IMMEDIATE or self.scale.stable(now):
            return self._line(now)
        self._line_requested = self.output is Output.AFTER_STABILITY
        return b""

    def _line(self, now: float) -> bytes:
        if self.scale.adjusting(now):
            return status_line("Cal.Int.", self.wide)
        shown = self.scale.net(now)
        if shown.value is None:
            return status_line("High" if shown.overload else "Low" if shown.underload else "", self.wide)
        if self.gross_until_tared and not self.scale.tared:
            return display_line(self.scale.gross(now), self.wide, "G", trim=self.trim)
        return display_line(shown, self.wide, trim=self.trim)

    def _rendered(self, sent: bytes) -> bytes:
        return seven_bits_as_eight(sent) if self.as_eight_bits else sent

    def _set(self, name: str, value: str) -> None:
        match name:
            case "autoprint":
                self.interval = None if value == "off" else max(number_of(value), 0.005)
                self._stopped, self._due = False, None
            case "width":
                self.wide = {"16": False, "22": True}[value]
            case "trim":
                self.trim = {"on": True, "off": False}[value]
            case "labels":
                self.gross_until_tared = {"net": False, "gross_until_tared": True}[value]
            case "output":
                self.output = Output(value)
            case "render":
                self.as_eight_bits = {"plain": False, AS_EIGHT_BITS: True}[value]
            case _:
                super()._set(name, value)


def display_line(shown: Shown, wide: bool, line_id: str = "N", *, trim: bool = False) -> bytes:
    """Return a weight line. The unit is blank until stable; the sign of exactly zero is plus."""
    value = shown.value or 0
    sign = "-" if value < 0 else "+"
    scaled = f"{round(abs(value) * 10**shown.decimals):0{shown.decimals + 1}d}"
    number = f"{scaled[: -shown.decimals]}.{scaled[-shown.decimals :]}" if shown.decimals else scaled
    unit = shown.unit if shown.stable else ""
    line = _ended(f"{sign}{number:>{VALUE_WIDTH}} {unit:<{UNIT_WIDTH}}", line_id, wide)
    return line.rstrip() + END if trim else line


def status_line(word: str, wide: bool) -> bytes:
    text = " " * (STATUS_COLUMNS[word] - 1) + word
    return _ended(f"{text:<14}", "Stat", wide)


def identity_line(label: str, text: str, wide: bool) -> bytes:
    """Return an identity line; a narrow line has no room for the label."""
    width = 20 if wide else 14
    line = f"{label}{text:>{width - len(label)}}" if label and wide else text
    return f"{line:<{width}}".encode() + END


def seven_bits_as_eight(sent: bytes) -> bytes:
    """Return what a port set to 8-N-1 receives from a sender set to 7-O-1: the top bit is odd parity."""
    return bytes(byte | (0x80 if byte.bit_count() % 2 == 0 else 0) for byte in sent)


def _ended(text: str, line_id: str, wide: bool) -> bytes:
    return (f"{line_id:<{ID_WIDTH}}{text}" if wide else text).encode() + END
