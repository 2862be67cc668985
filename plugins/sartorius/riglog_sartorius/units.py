"""Units of unit ids (xBPI) and unit symbols (SBI). An unconfirmed id has no unit. Source: sections 3.7, 3.11.1, 4.3."""

CONFIRMED = {0x02: "g", 0x03: "kg", 0x0D: "mg", 0x17: "N"}
"""The xBPI unit ids that were observed in traffic of a real balance."""

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

NOT_A_UNIT = ("user", "lb+oz")
"""Values of parameter 7 that do not name one unit of measurement."""

SYMBOLS = frozenset(DISPLAY_UNITS.values()) - {*NOT_A_UNIT, "ug"} | {"%", "pcs"}
"""The symbols that follow a stable value in an SBI line. That of microgram was not recorded."""


def unit_of_id(unit_id: int) -> str | None:
    """Return the unit of an xBPI unit id; None for an unconfirmed id."""
    return CONFIRMED.get(unit_id)


def guessed_unit(unit_id: int) -> str | None:
    """Return the unit of the id if it were a value of parameter 7. For ``riglog sartorius decode``, not for samples."""
    return DISPLAY_UNITS.get(unit_id)


def display_unit(code: int) -> str | None:
    """Return the unit of a value of parameter 7; None for the user unit and for lb+oz, which are not one unit."""
    unit = DISPLAY_UNITS.get(code)
    return None if unit in NOT_A_UNIT else unit


def unit_of_symbol(symbol: str) -> str | None:
    """Return the unit of an SBI symbol. Case matters (``GN``, ``N``, ``K``, ``MS``), except in g, kg and mg."""
    if symbol in SYMBOLS:
        return symbol
    return symbol.lower() if symbol.lower() in ("g", "kg", "mg") else None
