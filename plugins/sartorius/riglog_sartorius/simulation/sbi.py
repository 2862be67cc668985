"""A balance on an SBI port: lines asked for, or printed of itself. Source: sections 4.1 to 4.8, 8."""

from enum import StrEnum

from riglog_sartorius.sbi.commands import COMMAND
from riglog_sartorius.simulation.balance import SimulatedBalance
from riglog_sartorius.simulation.family import FAMILIES, Family
from riglog_sartorius.simulation.printing import display_line, identity_line, seven_bits_seen_as_eight, status_line
from riglog_sartorius.simulation.scale import Scale

AS_EIGHT_BITS = "7-as-8"
LOOK_AGAIN = 0.05


class Output(StrEnum):
    """Parameter 36: when a line may be sent."""

    IMMEDIATE = "immediate"
    AFTER_STABILITY = "after_stability"
    AT_STABILITY = "at_stability"


class SbiBalance(SimulatedBalance):
    """``interval`` is the time between two printed lines, None: it prints only when asked.

    ``wide``: 22-character lines. ``output``: whether a line waits for stability, asked for or not.
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
        self.as_eight_bits = False
        self._stopped = False
        self._due: float | None = None
        self._owes_line = False
        self._collected = b""

    def receive(self, data: bytes, now: float) -> bytes:
        self._collected += data
        said = b""
        while command := COMMAND.search(self._collected):
            self._collected = self._collected[command.end() :]
            said += self._do(command[1].decode("ascii", "replace"), now)
        at = self._collected.find(b"\x1b")
        self._collected = self._collected[at:] if at >= 0 else b""
        return self._rendered(said)

    def idle(self, now: float) -> bytes:
        said = b""
        if self._owes_line and self.scale.stable(now):
            self._owes_line = False
            said += self._line(now)
        due = self.next_due(now)
        while self._printing and due is not None and due <= now:
            if self.output is Output.IMMEDIATE or self.scale.stable(due):
                said += self._line(due)
            due = self._due = due + (self.interval or 1.0)
        return self._rendered(said)

    def next_due(self, now: float) -> float | None:
        if self._owes_line:
            return now + LOOK_AGAIN
        if not self._printing:
            return None
        if self._due is None:
            self._due = now + (self.interval or 1.0)
        return self._due

    def foreign(self, reply: bytes) -> bytes:
        """A frame of a balance in xBPI mode."""
        return bytes.fromhex("0b41484347fcac0830424585")

    @property
    def _printing(self) -> bool:
        return self.interval is not None and not self._stopped

    def _do(self, token: str, now: float) -> bytes:
        """Silent commands are really silent, unknown ones are ignored."""
        family = self.family
        match token:
            case "P" | "p_" | "kP_":
                self._stopped = self.interval is not None
                return self._asked_line(now)
            case "x1_":
                return identity_line("", family.model, self.wide)
            case "x2_":
                return identity_line("SerNo.", family.serial, self.wide)
            case "x3_":
                digits = family.software
                return identity_line("BAC:", f"{digits[:2]}-{digits[2:4]}-{digits[4:]}", self.wide)
            case "T" | "U":
                self.scale.tare(now)
                self._restart(now)
            case "V":
                self.scale.zero(now)
                self._restart(now)
                return status_line("", self.wide) if self._printing else b""
            case "Z":
                self.scale.adjust(now)
        return b""

    def _restart(self, now: float) -> None:
        if self._stopped:
            self._stopped, self._due = False, None

    def _asked_line(self, now: float) -> bytes:
        if self.output is Output.IMMEDIATE or self.scale.stable(now):
            return self._line(now)
        self._owes_line = self.output is Output.AFTER_STABILITY
        return b""

    def _line(self, now: float) -> bytes:
        if self.scale.adjusting(now):
            return status_line("Cal.Int.", self.wide)
        shown = self.scale.net(now)
        if shown.value is None:
            return status_line("High" if shown.overload else "Low" if shown.underload else "", self.wide)
        return display_line(shown, self.wide)

    def _rendered(self, said: bytes) -> bytes:
        return seven_bits_seen_as_eight(said) if self.as_eight_bits else said

    def _turn(self, name: str, value: str) -> None:
        match name:
            case "autoprint":
                self.interval = None if value == "off" else max(float(value), 0.005)
                self._stopped, self._due = False, None
            case "width":
                self.wide = {"16": False, "22": True}[value]
            case "output":
                self.output = Output(value)
            case "render":
                self.as_eight_bits = {"plain": False, AS_EIGHT_BITS: True}[value]
            case _:
                super()._turn(name, value)
