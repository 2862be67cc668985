"""Lines as a balance prints them, full width, both formats. Source: sections 2.2, 4.3, 4.4, 4.6."""

from riglog_sartorius.simulation.scale import Shown

END = b"\r\n"
VALUE_WIDTH, UNIT_WIDTH, ID_WIDTH = 9, 3, 6

STATUS_COLUMNS = {"High": 7, "Low": 7, "Cal.Int.": 4, "": 1}
"""Where a word begins in a 14-character line, counted from 1."""


def display_line(shown: Shown, wide: bool, line_id: str = "N") -> bytes:
    """A weight. The unit is blank while it is not stable; the sign is blank for exactly zero after a zero command."""
    value = shown.value or 0
    sign = "-" if value < 0 else "+"
    scaled = f"{round(abs(value) * 10**shown.decimals):0{shown.decimals + 1}d}"
    number = f"{scaled[: -shown.decimals]}.{scaled[-shown.decimals :]}" if shown.decimals else scaled
    unit = shown.unit if shown.stable else ""
    return _ended(f"{sign}{number:>{VALUE_WIDTH}} {unit:<{UNIT_WIDTH}}", line_id, wide)


def status_line(word: str, wide: bool) -> bytes:
    text = " " * (STATUS_COLUMNS[word] - 1) + word
    return _ended(f"{text:<14}", "Stat", wide)


def identity_line(label: str, text: str, wide: bool) -> bytes:
    """Narrow lines have no room for the label."""
    width = 20 if wide else 14
    line = f"{label}{text:>{width - len(label)}}" if label and wide else text
    return f"{line:<{width}}".encode() + END


def seven_bits_seen_as_eight(said: bytes) -> bytes:
    """What a port set to 8-N-1 receives from one that sends 7-O-1: the top bit is odd parity."""
    return bytes(byte | (0x80 if byte.bit_count() % 2 == 0 else 0) for byte in said)


def _ended(text: str, line_id: str, wide: bool) -> bytes:
    return (f"{line_id:<{ID_WIDTH}}{text}" if wide else text).encode() + END
