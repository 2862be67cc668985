"""One SBI line by strict columns: a number only if every column is as it must be. Source: sections 4.3 to 4.5."""

import re
from enum import StrEnum

from msgspec import Struct

from riglog_sartorius.sbi.words import Word, word_of
from riglog_sartorius.units import unit_of_symbol

END = b"\r\n"

OFF_SCALE = {54: "underload", 55: "overload"}
"""Error numbers that say no more than that there is no value now."""


class Kind(StrEnum):
    """What a line is. Only WEIGHT carries a number."""

    WEIGHT = "weight"
    STATUS = "status"
    ERROR = "error"
    UNRECOGNISED = "unrecognised"  # an identity text, a fragment, a foreign line
    GARBLED = "garbled"  # bytes that are no printable ASCII
    INCOMPLETE = "incomplete"  # no CR LF yet


class Line(Struct, frozen=True):
    """``id`` is the code in front of a 22-character line, None in a 16-character one. ``raw`` is all of the line.

    ``unit`` None with ``stable`` True is a unit nobody knows. ``digits_verified`` False: the last is bracketed.
    """

    kind: Kind
    raw: bytes
    id: str | None = None
    sign: str | None = None
    value: float | None = None
    decimals: int = 0
    unit: str | None = None
    stable: bool = False
    digits_verified: bool = True
    status: str | None = None
    code: int | str | None = None

    @property
    def text(self) -> str:
        return self.raw.removesuffix(END).decode("ascii", "replace")

    @property
    def body_length(self) -> int:
        return len(self.raw.removesuffix(END))

    @property
    def is_net(self) -> bool:
        """Only ``N``, ``N1``, ``N2`` and a blank code may be taken for the net weight."""
        return self.kind is Kind.WEIGHT and (self.id is None or NET_ID.fullmatch(self.id) is not None)


PRINTABLE = re.compile(rb"[ -~]*")
NET_ID = re.compile(r"(N\d?)?")
ID = re.compile(r"([A-Za-z][A-Za-z0-9#.%/-]*)? *")
NUMBER = re.compile(r"\d+(?:[.,]\d*)?|[.,]\d+")
BRACKETED = re.compile(r"([+\- ]) *(\d*[.,]?\d*)\[(\d+)\] *(\S*) *")

NARROW, WIDE, ID_WIDTH = 14, 20, 6


def parse_line(raw: bytes) -> Line:
    """What a line says, CR LF included. Never an error: what is not understood is UNRECOGNISED and has no value."""
    if not raw.endswith(END):
        return Line(Kind.INCOMPLETE, raw)
    body = raw[: -len(END)]
    if not PRINTABLE.fullmatch(body):
        return Line(Kind.GARBLED, raw)
    text = body.decode("ascii")
    if text == "Stat" or text.startswith("Stat "):
        word = word_of(text[4:])
        return _worded(raw, word, "Stat") if word else Line(Kind.UNRECOGNISED, raw)
    if word := word_of(text):
        return _worded(raw, word, None)
    return _weight(raw, text) or Line(Kind.UNRECOGNISED, raw)


def _worded(raw: bytes, word: Word, line_id: str | None) -> Line:
    kind = Kind.STATUS if word.code is None else Kind.ERROR
    return Line(kind, raw, id=line_id, status=word.status, code=word.code)


def _weight(raw: bytes, text: str) -> Line | None:
    """The weight in a line, by columns; None if anything is where it must not be."""
    padded = len(text) not in (NARROW, WIDE)
    if padded:
        text = text.ljust(NARROW if len(text) < NARROW else WIDE)
    line_id = None
    if len(text) == WIDE:
        line_id, text = text[:ID_WIDTH], text[ID_WIDTH:]
        if not ID.fullmatch(line_id):
            return None
        line_id = line_id.rstrip()
    if len(text) != NARROW:
        return None
    if "[" in text:
        return _bracketed(raw, line_id, text)
    sign, field, gap, symbol = text[0], text[1:10], text[10], text[11:].rstrip(" ")
    number = field.strip(" ")
    if sign not in "+- " or gap != " " or " " in symbol or not NUMBER.fullmatch(number):
        return None
    if padded and field[-1] == " ":  # the number may be cut
        return None
    return _line(raw, line_id, sign, number, symbol, verified=True)


def _bracketed(raw: bytes, line_id: str | None, text: str) -> Line | None:
    """Printer mode brackets a digit that is not verified and shifts the field one place to the left."""
    found = BRACKETED.fullmatch(text)
    if not found or text[10] != "]":
        return None
    sign, known, doubtful, symbol = found.groups()
    return _line(raw, line_id, sign, known + doubtful, symbol, verified=False)


def _line(raw: bytes, line_id: str | None, sign: str, number: str, symbol: str, *, verified: bool) -> Line:
    number = number.replace(",", ".")
    value = float(number)
    return Line(
        Kind.WEIGHT,
        raw,
        id=line_id,
        sign=sign,
        value=-value if sign == "-" and value else value,
        decimals=len(number.partition(".")[2]),
        unit=unit_of_symbol(symbol),
        stable=bool(symbol),
        digits_verified=verified,
    )
