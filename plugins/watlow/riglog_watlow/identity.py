"""Which controller it is. Source: Watlow wire specification, section 8.4."""

from collections.abc import Sequence

from msgspec import Struct

from riglog_watlow.parameters import F4P, PM, Family

PANEL = {"3": "1/32 DIN", "6": "1/16 DIN", "8": "1/8 DIN", "9": "1/8 DIN", "4": "1/4 DIN"}
PROFILE_TYPES = frozenset("RBENT")
BLUETOOTH = frozenset("BEFGHJK")
ETHERNET = frozenset("3G")
MODBUS = frozenset("12BDEF")


class PartNumber(Struct, frozen=True):
    """What an EZ-ZONE PM part number says. Letter tables vary between generations: probing is the truth."""

    text: str
    panel: str | None
    profiles: bool
    second_output: bool
    modbus: bool
    bluetooth: bool
    ethernet: bool


class Identity(Struct, frozen=True):
    """What a controller says of itself; None is what this family or protocol does not tell."""

    family: str
    model: str | None = None
    part_number: PartNumber | None = None
    serial: str | None = None
    hardware: str | None = None
    firmware: str | None = None
    manufactured: int | None = None


def part_number(text: str) -> PartNumber | None:
    """``PM3R1CA-AAAAAAA``, taken apart; None if it has not that form."""
    head, dash, options = text.partition("-")
    if not (head.startswith("PM") and dash and len(head) == 7 and options):
        return None
    communications = options[0]
    return PartNumber(
        text,
        PANEL.get(head[2]),
        head[3] in PROFILE_TYPES,
        head[6] != "A",
        communications in MODBUS,
        communications in BLUETOOTH,
        communications in ETHERNET,
    )


def serial_number(family: Family, said: Sequence[str | None]) -> str | None:
    """From the parameters that hold it: EZ-ZONE either of two, F4P two decimal parts.

    A Series SD has two words, too, but how they make one number is not certain: they are given as they are.
    """
    found = [one for one in said if one is not None]
    if not found or (family != PM and len(found) != len(said)):
        return None
    if family == PM:
        return found[0]
    high, low = found
    return str(int(high) * 10_000 + int(low)) if family == F4P else f"{high}-{low}"
