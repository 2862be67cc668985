"""The words that stand where a weight should be. Read by text, not by column: senders trim. Source: section 4.4."""

import re

from msgspec import Struct


class Word(Struct, frozen=True):
    """``status`` for a state of the balance, ``code`` for an error."""

    status: str | None = None
    code: int | str | None = None


BLANK = Word("blank")
OVERLOAD, UNDERLOAD = Word("overload"), Word("underload")
ADJUSTING, NOT_READY, STANDBY = Word("adjusting"), Word("not_ready"), Word("standby")

WORDS = {
    "": BLANK,
    "HIGH": OVERLOAD,
    "H": OVERLOAD,
    "HH": OVERLOAD,
    "LOW": UNDERLOAD,
    "L": UNDERLOAD,
    "LL": UNDERLOAD,
    "CAL.INT.": ADJUSTING,
    "CAL.EXT.": ADJUSTING,
    "C": ADJUSTING,
    "--": NOT_READY,
    "OFF": STANDBY,
    "APP.ERR": Word(code="APP"),
    "DIS.ERR": Word(code="DIS"),
    "PRT.ERR": Word(code="PRT"),
    "COMM.ERR": Word(code="COMM"),
    "SYS.ERR": Word(code="SYS"),
}

_NUMBERED = re.compile(r"ERR(\d{1,3})")


def word_of(text: str) -> Word | None:
    """The word a text is, spaces and case aside; None if it is none."""
    word = text.replace(" ", "").upper()
    if found := _NUMBERED.fullmatch(word):
        return Word(code=int(found[1]))
    return WORDS.get(word)
