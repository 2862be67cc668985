"""The identity of a controller: serial number, part number, model. Source: Watlow wire specification, section 8.4."""

from collections.abc import Sequence

from msgspec import Struct

from riglog_watlow.parameters import F4P, PM, Family

PANEL = {"3": "1/32 DIN", "6": "1/16 DIN", "8": "1/8 DIN", "9": "1/8 DIN", "4": "1/4 DIN"}
PROFILE_TYPES = frozenset("RBENT")
BLUETOOTH = frozenset("BEFGHJK")
ETHERNET = frozenset("3G")
MODBUS = frozenset("12BDEF")


class PartNumber(Struct, frozen=True):
    """The options in an EZ-ZONE PM part number. The letters vary between generations: what is read is more certain."""

    text: str
    panel: str | None
    profiles: bool
    second_output: bool
    modbus: bool
    bluetooth: bool
    ethernet: bool


class Identity(Struct, frozen=True):
    """What a controller reports about itself; None: not reported by this family or over this protocol."""

    family: str
    model: str | None = None
    part_number: PartNumber | None = None
    serial: str | None = None
    hardware: str | None = None
    firmware: str | None = None
    manufactured: int | None = None


def part_number(text: str) -> PartNumber | None:
    """Return the options in a part number such as ``PM3R1CA-AAAAAAA``; None if it does not have that form."""
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


def serial_number(family: Family, parts: Sequence[str | None]) -> str | None:
    """Return the serial number from the parameters that contain it; None if it is incomplete.

    An EZ-ZONE has it in either of two parameters, a Series F4P in two decimal parts. A Series SD also has two words,
    but how they form one number is not certain: both are returned as they are.
    """
    present = [part for part in parts if part is not None]
    if not present or (family != PM and len(present) != len(parts)):
        return None
    if family == PM:
        return present[0]
    high, low = present
    return str(int(high) * 10_000 + int(low)) if family == F4P else f"{high}-{low}"
