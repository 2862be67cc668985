"""Parses a line of SBI: it is a weight only if every column is valid. Pure. Source: sections 4.3 to 4.5."""

import re
from enum import StrEnum

from msgspec import Struct

from riglog_sartorius.config import Quantity
from riglog_sartorius.units import unit_of_symbol

END = b"\r\n"

OFF_SCALE: dict[int | str, str] = {54: "underload", 55: "overload"}
"""Error numbers that only mean that there is no value at present."""


class Kind(StrEnum):
    """The kind of a line. Only WEIGHT has a value."""

    WEIGHT = "weight"
    STATUS = "status"
    ERROR = "error"
    UNRECOGNISED = "unrecognised"  # an identity text, a fragment, another format
    GARBLED = "garbled"  # contains bytes that are not printable ASCII
    INCOMPLETE = "incomplete"  # no CR LF yet


class Line(Struct, frozen=True):
    """``id`` is the code at the start of a 22-character line, None in a 16-character line. ``raw`` is the whole line.

    ``unit`` None with ``stable`` True: the unit is unknown; ``symbol`` is its text, blank while the weight is unstable.
    ``digits_verified`` False: the last digit is in brackets.
    """

    kind: Kind
    raw: bytes
    id: str | None = None
    sign: str | None = None
    value: float | None = None
    decimals: int = 0
    unit: str | None = None
    symbol: str = ""
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
    def quantity(self) -> Quantity | None:
        """What the weight is by its id: net for ``N``, ``N1``, ``N2`` and blank, gross for ``G``; None: neither."""
        if self.kind is not Kind.WEIGHT:
            return None
        if self.id is None or NET_ID.fullmatch(self.id):
            return Quantity.NET
        return Quantity.GROSS if GROSS_ID.fullmatch(self.id) else None

    @property
    def is_empty(self) -> bool:
        """True for a line of blanks. It means nothing: a print may contain one beside its weight."""
        return self.kind is Kind.STATUS and not self.text.strip(" ")

    @property
    def facts(self) -> dict[str, object]:
        """What a weight line states about the display, besides the number; None where this line states nothing.

        A line that lost or changed a character may differ from the lines before it in nothing else. The display may
        hide its last digit while the weight is not stable. A blank in the place of the sign may be a minus that was
        lost; a plus is stated by the balance.
        """
        full = self.body_length in (NARROW, WIDE)
        ends_in_blank = self.text.endswith(" ")
        return {
            "id": self.id or "",
            "symbol": self.symbol or None,
            "decimals": self.decimals if self.symbol else None,
            "decimals while unstable": None if self.symbol else self.decimals,
            "trimmed": not full if ends_in_blank or not full else None,
            "blank sign": True if self.value and self.sign == " " else None,
        }


STATUS_WORDS = {
    "": "blank",
    "HIGH": "overload",
    "H": "overload",
    "HH": "overload",
    "LOW": "underload",
    "L": "underload",
    "LL": "underload",
    "CAL.INT.": "adjusting",
    "CAL.EXT.": "adjusting",
    "C": "adjusting",
    "--": "not_ready",
    "OFF": "standby",
}
ERROR_WORDS = {"APP.ERR": "APP", "DIS.ERR": "DIS", "PRT.ERR": "PRT", "COMM.ERR": "COMM", "SYS.ERR": "SYS"}
"""Words in the place of a weight, without spaces and in capitals."""

ERROR_NUMBER = re.compile(r"ERR(\d{1,3})")
PRINTABLE = re.compile(rb"[ -~]*")
NET_ID = re.compile(r"(N\d?)?")
GROSS_ID = re.compile(r"G\d?#?")
ID = re.compile(r"([A-Za-z][A-Za-z0-9#.%/-]*)? *")
NUMBER = re.compile(r"\d+(?:[.,]\d+)?|[.,]\d+")
SYMBOL = re.compile(r"[A-Za-z%/]*")
BRACKETED = re.compile(r"([+\- ]) *(\d*[.,]?\d*)\[(\d+)\] *(\S*) *")

NARROW, WIDE, ID_WIDTH = 14, 20, 6


def parse_line(raw: bytes) -> Line:
    """Parse a line, CR LF included. Never raises: a line of another format is UNRECOGNISED and has no value."""
    if not raw.endswith(END):
        return Line(Kind.INCOMPLETE, raw)
    body = raw[: -len(END)]
    if not PRINTABLE.fullmatch(body):
        return Line(Kind.GARBLED, raw)
    text = body.decode("ascii")
    if text == "Stat" or text.startswith("Stat "):
        return _words(raw, text[4:], "Stat") or Line(Kind.UNRECOGNISED, raw)
    return _words(raw, text, None) or _weight(raw, text) or Line(Kind.UNRECOGNISED, raw)


def _words(raw: bytes, text: str, line_id: str | None) -> Line | None:
    """Parse a status or an error by its text, not by columns: some senders trim the line. Source: section 4.4."""
    word = text.replace(" ", "").upper()
    if (status := STATUS_WORDS.get(word)) is not None:
        return Line(Kind.STATUS, raw, id=line_id, status=status)
    if number := ERROR_NUMBER.fullmatch(word):
        return Line(Kind.ERROR, raw, id=line_id, code=int(number[1]))
    if (code := ERROR_WORDS.get(word)) is not None:
        return Line(Kind.ERROR, raw, id=line_id, code=code)
    return None


def _weight(raw: bytes, text: str) -> Line | None:
    """Parse a weight by columns; None if any column is invalid.

    Some senders trim the blanks at the end of a line. A shorter line that ends in a blank was not trimmed: it lost a
    character, perhaps the first one of ``mg``.
    """
    padded = len(text) not in (NARROW, WIDE)
    if padded and text.endswith(" "):
        return None
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
        return _bracketed_weight(raw, line_id, text)
    sign, field, gap, symbol = text[0], text[1:10], text[10], text[11:].rstrip(" ")
    number = field.strip(" ")
    if sign not in "+- " or gap != " " or not SYMBOL.fullmatch(symbol) or not NUMBER.fullmatch(number):
        return None
    if padded and field[-1] == " ":  # the number may be cut
        return None
    return _weight_line(raw, line_id, sign, number, symbol, verified=True)


def _bracketed_weight(raw: bytes, line_id: str | None, text: str) -> Line | None:
    """Parse a line of printer mode: the last digit is in brackets if unverified, and the field is shifted by one."""
    match = BRACKETED.fullmatch(text)
    if not match or text[10] != "]" or not SYMBOL.fullmatch(match[4]):
        return None
    sign, verified, unverified, symbol = match.groups()
    return _weight_line(raw, line_id, sign, verified + unverified, symbol, verified=False)


def _weight_line(raw: bytes, line_id: str | None, sign: str, number: str, symbol: str, *, verified: bool) -> Line:
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
        symbol=symbol,
        stable=bool(symbol),
        digits_verified=verified,
    )
