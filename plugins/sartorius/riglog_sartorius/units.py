"""Unit ids (xBPI) and unit symbols (SBI) as words. What is not proven is no unit. Source: sections 3.7, 3.11.1, 4.3."""

CONFIRMED = {0x02: "g", 0x03: "kg", 0x0D: "mg", 0x17: "N"}
"""The xBPI unit ids seen on the wire of a real balance."""

DISPLAY_UNITS = {
    1: "user",
    2: "g",
    3: "kg",
    4: "ct",
    5: "lb",
    6: "oz",
    7: "ozt",
    8: "tlh",
    9: "tls",
    10: "tlt",
    11: "GN",
    12: "dwt",
    13: "mg",
    14: "/lb",
    15: "tlc",
    16: "mom",
    17: "K",
    18: "tol",
    19: "bat",
    20: "MS",
    21: "t",
    22: "lb+oz",
    23: "N",
    24: "ug",
}
"""Values of parameter 7. Probably also the xBPI unit ids, of which only CONFIRMED are proven."""

SYMBOLS = frozenset(
    [
        "g",
        "kg",
        "mg",
        "ct",
        "lb",
        "oz",
        "ozt",
        "t",
        "N",
        "tlh",
        "tls",
        "tlt",
        "tlc",
        "GN",
        "dwt",
        "/lb",
        "mom",
        "K",
        "tol",
        "bat",
        "MS",
        "%",
        "pcs",
    ],
)
"""What SBI prints behind a stable value."""


def unit_of_id(unit_id: int) -> str | None:
    """The unit of an xBPI unit id; None for every id nobody has confirmed."""
    return CONFIRMED.get(unit_id)


def guessed_unit(unit_id: int) -> str | None:
    """What the id would mean if it were the code of parameter 7. For people to look at, never for a sample."""
    return DISPLAY_UNITS.get(unit_id)


def unit_of_symbol(symbol: str) -> str | None:
    """The unit of an SBI symbol. Case counts (``GN``, ``N``, ``K``, ``MS``), except for g, kg and mg."""
    if symbol in SYMBOLS:
        return symbol
    return symbol.lower() if symbol.lower() in ("g", "kg", "mg") else None
