"""Frames of the continuous broadcast: checks, and the meaning of their fields. Pure.

Source: Servomex wire specification, sections 3.1 to 3.6.
"""

import re
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from riglog_servomex.positions import POSITIONS, Position
from riglog_servomex.samples import AnalyzerStatus, Flags, Phase
from riglog_servomex.units import Unit, decode_name, decode_unit

START = b" "
HEAD_TOKENS, BLOCK_TOKENS, TAIL_TOKENS = 5, 8, 2
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
MAX_NUMBER = 12
"""Characters of a number; the field is 6 wide."""

COUNT = re.compile(r" *\d{1,2} *")
OVER = "OVER"


class Outcome(StrEnum):
    FRAME_ERROR = "frame_error"
    CHECKSUM_ERROR = "checksum_error"
    PARSE_ERROR = "parse_error"


class Block(Struct, frozen=True):
    """One channel of a frame. ``value`` is None if ``text`` is not a number; then it may be abbreviated."""

    position: Position
    name: str | None
    value: float | None
    text: str
    unit: Unit
    flags: Flags
    raw: bytes


class Frame(Struct, frozen=True):
    """One valid frame: all channels at one instant. ``raw``: the line without its end."""

    analyzer: AnalyzerStatus
    blocks: dict[str, Block]
    raw: bytes

    @property
    def clock(self) -> datetime | None:
        """The time that the clock of the analyzer showed; None: it showed none."""
        return None if self.analyzer.clock is None else datetime.fromisoformat(self.analyzer.clock)


class BadFrame(Struct, frozen=True):
    """A line that is not a valid frame. The whole of it is discarded."""

    outcome: Outcome
    raw: bytes


def checksum(line: bytes) -> int:
    """Return the sum of all bytes after the start byte, up to and including the ``;`` before the checksum field."""
    return sum(line[1:-5]) & 0xFFFF


def parse_frame(line: bytes) -> Frame | BadFrame:
    """Check and decode a line, with or without CR and LF. The first check that fails is the outcome."""
    line = line.rstrip(b"\r\n")
    outcome = _damage(line)
    if outcome is not None:
        return BadFrame(outcome, line)
    tokens = line[1:].split(b";")
    if len(tokens) < HEAD_TOKENS + TAIL_TOKENS or tokens[-1]:
        return BadFrame(Outcome.FRAME_ERROR, line)
    count = tokens[4].decode("latin-1")
    if not COUNT.fullmatch(count):
        return BadFrame(Outcome.PARSE_ERROR, line)
    if not 1 <= int(count) <= len(POSITIONS) or len(tokens) != HEAD_TOKENS + TAIL_TOKENS + BLOCK_TOKENS * int(count):
        return BadFrame(Outcome.FRAME_ERROR, line)
    groups = [tokens[at : at + BLOCK_TOKENS] for at in range(HEAD_TOKENS, len(tokens) - TAIL_TOKENS, BLOCK_TOKENS)]
    channels = [group[0].decode("latin-1").strip(" ") for group in groups]
    if len(set(channels)) != len(channels) or any(channel not in POSITIONS for channel in channels):
        return BadFrame(Outcome.PARSE_ERROR, line)
    blocks = {channel: _block(POSITIONS[channel], group) for channel, group in zip(channels, groups, strict=True)}
    return Frame(_analyzer(tokens), blocks, line)


def _damage(line: bytes) -> Outcome | None:
    """Return the check of the line as a whole that fails."""
    if not line.startswith(START):
        return Outcome.FRAME_ERROR
    digits = line[-5:-1]
    if len(line) < 6 or not re.fullmatch(rb"[0-9A-Fa-f]{4}", digits) or int(digits, 16) != checksum(line):
        return Outcome.CHECKSUM_ERROR
    return None


def _analyzer(tokens: list[bytes]) -> AnalyzerStatus:
    pairs = tokens[3].ljust(8)
    one, two, three, four = (_phase(pairs[at : at + 2]) for at in range(0, 8, 2))
    return AnalyzerStatus(
        tokens[2][:1] == b"F", tokens[2][1:2] == b"M", (one, two, three, four), _clock(tokens[0], tokens[1])
    )


def _phase(pair: bytes) -> Phase:
    if pair[:1] != b"C":
        return Phase.IDLE
    return Phase.CAL_GAS_2 if pair[1:] == b"2" else Phase.CAL_GAS_1


def _clock(date: bytes, time: bytes) -> str | None:
    """Return date and time in ISO form; None if they are not valid. Two digits of the year mean 2000 and later."""
    text = (date + b" " + time).decode("latin-1")
    if not re.fullmatch(r"\d\d-\d\d-\d\d \d\d:\d\d:\d\d", text):
        return None
    day, month, year, rest = text[:2], text[3:5], text[6:8], text[9:]
    try:
        return datetime.fromisoformat(f"20{year}-{month}-{day}T{rest}").isoformat()
    except ValueError:
        return None


def _block(position: Position, tokens: list[bytes]) -> Block:
    _, name, value, unit, alarms, state, calibrating, warming_up = tokens
    text = value.decode("latin-1").strip(" ")
    one, two, three, four = (alarms[at : at + 1] not in (b"", b" ") for at in range(4))
    flags = Flags(
        fault=state[:1] == b"F",
        maintenance=state[1:2] == b"M",
        calibrating=calibrating == b"C",
        warming_up=warming_up == b"W",
        alarms=(one, two, three, four),
    )
    shown = text if len(text) <= MAX_NUMBER else text[:MAX_NUMBER] + "…"
    return Block(position, decode_name(name), _number(text), shown, decode_unit(unit), flags, b";".join(tokens))


def _number(text: str) -> float | None:
    """Return the number in a value field; None if it is something else, or longer than any that is displayed."""
    is_number = len(text) <= MAX_NUMBER and text.isascii() and NUMBER.fullmatch(text)
    return float(text) if is_number else None
