"""One line of the continuous broadcast: judged, taken apart, and put together. Pure.

Source: Servomex wire specification, sections 3.1 to 3.6.
"""

import re
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from riglog_servomex.positions import POSITIONS, Position
from riglog_servomex.reading import AnalyserStatus, Flags, Phase
from riglog_servomex.text import Unit, decode_name, decode_unit

START = b" "
HEAD_TOKENS, BLOCK_TOKENS, TAIL_TOKENS = 5, 8, 2
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
COUNT = re.compile(r" *\d{1,2} *")
OVER = "OVER"


class Outcome(StrEnum):
    FRAME_ERROR = "frame_error"
    CHECKSUM_ERROR = "checksum_error"
    PARSE_ERROR = "parse_error"


class Block(Struct, frozen=True):
    """One channel of a frame. ``value`` None: ``text`` is no number."""

    position: Position
    name: str | None
    value: float | None
    text: str
    unit: Unit
    flags: Flags
    raw: bytes


class Frame(Struct, frozen=True):
    """One broadcast: everything the analyser knows at one instant."""

    analyser: AnalyserStatus
    blocks: dict[str, Block]
    line: bytes

    @property
    def clock(self) -> datetime | None:
        return None if self.analyser.clock is None else datetime.fromisoformat(self.analyser.clock)


class BadLine(Struct, frozen=True):
    """A line that is no frame; the whole of it is dropped."""

    outcome: Outcome
    line: bytes


def checksum(line: bytes) -> int:
    """The sum of all bytes behind the start byte, up to and including the ``;`` before the checksum field."""
    return sum(line[1:-5]) & 0xFFFF


def parse_line(line: bytes) -> Frame | BadLine:
    """Judge a line, its CR and LF taken off or not. The first check that fails names the outcome."""
    line = line.rstrip(b"\r\n")
    outcome = _damage(line)
    if outcome is not None:
        return BadLine(outcome, line)
    tokens = line[1:].split(b";")
    if len(tokens) < HEAD_TOKENS + TAIL_TOKENS or tokens[-1]:
        return BadLine(Outcome.FRAME_ERROR, line)
    count = tokens[4].decode("latin-1")
    if not COUNT.fullmatch(count):
        return BadLine(Outcome.PARSE_ERROR, line)
    if not 1 <= int(count) <= len(POSITIONS) or len(tokens) != HEAD_TOKENS + TAIL_TOKENS + BLOCK_TOKENS * int(count):
        return BadLine(Outcome.FRAME_ERROR, line)
    groups = [tokens[at : at + BLOCK_TOKENS] for at in range(HEAD_TOKENS, len(tokens) - TAIL_TOKENS, BLOCK_TOKENS)]
    ids = [group[0].decode("latin-1").strip(" ") for group in groups]
    if len(set(ids)) != len(ids) or any(one not in POSITIONS for one in ids):
        return BadLine(Outcome.PARSE_ERROR, line)
    blocks = {one: _block(POSITIONS[one], group) for one, group in zip(ids, groups, strict=True)}
    return Frame(_analyser(tokens), blocks, line)


def _damage(line: bytes) -> Outcome | None:
    """The checks on the line as a whole."""
    if not line.startswith(START):
        return Outcome.FRAME_ERROR
    digits = line[-5:-1]
    if len(line) < 6 or not re.fullmatch(rb"[0-9A-Fa-f]{4}", digits) or int(digits, 16) != checksum(line):
        return Outcome.CHECKSUM_ERROR
    return None


def _analyser(tokens: list[bytes]) -> AnalyserStatus:
    pairs = tokens[3].ljust(8)
    one, two, three, four = (_phase(pairs[at : at + 2]) for at in range(0, 8, 2))
    return AnalyserStatus(
        tokens[2][:1] == b"F", tokens[2][1:2] == b"M", (one, two, three, four), _clock(tokens[0], tokens[1])
    )


def _phase(pair: bytes) -> Phase:
    if pair[:1] != b"C":
        return Phase.IDLE
    return Phase.CAL_GAS_2 if pair[1:] == b"2" else Phase.CAL_GAS_1


def _clock(date: bytes, time: bytes) -> str | None:
    """Two digits of the year mean 2000 and later; what is no date or time is no clock."""
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
    number = float(text) if NUMBER.fullmatch(text) and text.isascii() else None
    return Block(position, decode_name(name), number, text, decode_unit(unit), flags, b";".join(tokens))
