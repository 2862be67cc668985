"""Who an instrument is: the rows of `??M*`. Pure."""

import re
from collections.abc import Sequence

from msgspec import Struct

from riglog.errors import MalformedReplyError

ROW = re.compile(r". +(M\d\d?) +(.*?) *")
MODEL, SERIAL, FIRMWARE = "model", "serial", "firmware"
FIELDS = {"M04": MODEL, "M05": SERIAL, "M09": FIRMWARE, "M4": MODEL, "M5": SERIAL, "M8": FIRMWARE}
LABELS = {
    MODEL: re.compile(r"(Model Number|Mdl) *"),
    SERIAL: re.compile(r"(Serial Number|Serial No\.) *"),
    FIRMWARE: re.compile(r"(Software Revision|Software) *"),
}
LAST_ROWS = ("M09", "M8")
"""The last row of the table, and that of GP firmware."""
GP = (0, 0)


class Identity(Struct, frozen=True):
    model: str
    serial: str
    firmware: str

    def __str__(self) -> str:
        return f"{self.model} {self.serial}".strip()

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor number of the firmware; GP firmware has none, and is older than all others."""
        found = re.match(r"(\d{1,2})v(\d\d)", self.firmware)
        return (int(found[1]), int(found[2])) if found else GP


def parse_identity(rows: Sequence[str]) -> Identity:
    """Return model, serial number and firmware from the rows of the table.

    Raises:
        MalformedReplyError: a row is repeated, or the serial number is missing.
    """
    found: dict[str, str] = {}
    for row in rows:
        match = ROW.fullmatch(row)
        if match is None:
            raise MalformedReplyError("a row of the identity is invalid")
        if (name := FIELDS.get(match[1])) is None:
            continue
        if name in found:
            raise MalformedReplyError("a row of the identity is repeated")
        found[name] = LABELS[name].sub("", match[2], count=1)
    if not found.get(SERIAL):
        raise MalformedReplyError("the identity has no serial number")
    return Identity(found.get(MODEL, ""), found[SERIAL], found.get(FIRMWARE, ""))
