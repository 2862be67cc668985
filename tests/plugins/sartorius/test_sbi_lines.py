"""The strict column parser: a line is a weight only if every column proves it."""

import random

import pytest

from riglog_sartorius.errors import is_seven_bit_text
from riglog_sartorius.sbi.codec import SEVEN_BITS, SbiCodec
from riglog_sartorius.sbi.commands import SbiRequest
from riglog_sartorius.sbi.lines import Kind, parse_line
from riglog_sartorius.simulator.sbi import seven_bits_as_eight

NARROW = "+   123.45 g  "
WIDE = "N     +  123.456 g  "
UNSTABLE = "N     +    0.031    "


@pytest.mark.parametrize(
    "text",
    [
        "0.090",
        "7.031 g  ",
        "+    45.6",
        "SerNo.    0031801165",
        "0031801165",
        "MSE1203S-100-DR     ",
        "+   12 .45 g  ",
        "+   123.45g   ",
        "x   123.45 g  ",
        "+   1.3.45 g  ",
        "+   123.45 g g",
        "N     +  123.456 g  N     +  123.456 g  ",
        "+   123.45 g  +   123.45 g  ",
        "  N   +  123.456 g  ",
        "Statistics 12.5 g   ",
        "Stat      12.345 g  ",
        "+          g  ",
        "+        . g  ",
    ],
)
def test_what_is_not_a_line_of_the_manual_is_unrecognised(text: str) -> None:
    line = parse_line(text.encode() + b"\r\n")
    assert line.kind is Kind.UNRECOGNISED
    assert line.value is None


@pytest.mark.parametrize("text", [NARROW, WIDE, UNSTABLE, "+111.25507 mg "])
def test_no_tail_and_no_head_of_a_line_has_another_value(text: str) -> None:
    whole = parse_line(text.encode() + b"\r\n").value
    for cut in range(1, len(text)):
        for part in (text[cut:], text[:cut]):
            value = parse_line(part.encode() + b"\r\n").value
            assert value in (None, whole), part


@pytest.mark.parametrize("text", [NARROW, WIDE, UNSTABLE])
def test_no_line_that_lost_a_character_has_another_value(text: str) -> None:
    whole = parse_line(text.encode() + b"\r\n").value
    for gone in range(len(text)):
        value = parse_line((text[:gone] + text[gone + 1 :]).encode() + b"\r\n").value
        assert value in (None, whole), gone


@pytest.mark.parametrize("text", [NARROW, WIDE, UNSTABLE])
def test_a_flipped_bit_is_detected_unless_it_makes_another_digit(text: str) -> None:
    raw = text.encode()
    whole = parse_line(raw + b"\r\n").value
    for at in range(len(raw)):
        for bit in range(8):
            damaged = raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]
            value = parse_line(damaged + b"\r\n").value
            digits = chr(raw[at]).isdigit() and chr(damaged[at]).isdigit()
            assert digits or value in (None, whole), damaged


def test_a_character_of_wrong_parity_arrives_as_nul_and_garbles_the_line() -> None:
    for at in range(len(WIDE)):
        raw = WIDE.encode()
        assert parse_line(raw[:at] + b"\0" + raw[at + 1 :] + b"\r\n").kind is Kind.GARBLED


@pytest.mark.parametrize(
    ("text", "value", "decimals", "unit", "stable"),
    [
        ("N     +    0.031", 0.031, 3, None, False),  # trailing spaces trimmed
        ("+111.25507 mg ", 111.25507, 5, "mg", True),
        ("-     0.00 g  ", 0.0, 2, "g", True),
        ("+   123,45 KG ", 123.45, 2, "kg", True),
        ("+   123.4  g  ", 123.4, 1, "g", True),  # a display segment is off
        ("+   123.45 xyz", 123.45, 2, None, True),
        ("+   123.45 gn ", 123.45, 2, None, True),  # the case of GN matters
        ("+   123.45 GN ", 123.45, 2, "GN", True),
    ],
)
def test_odd_lines_that_are_weights(text: str, value: float, decimals: int, unit: str | None, stable: bool) -> None:
    line = parse_line(text.encode() + b"\r\n")
    assert (line.kind, line.value, line.decimals) == (Kind.WEIGHT, value, decimals)
    assert (line.unit, line.stable) == (unit, stable)


def test_a_bracketed_digit_is_not_verified() -> None:
    line = parse_line(b"+  123.5[6]g  \r\n")
    assert (line.value, line.decimals, line.digits_verified) == (123.56, 2, False)


@pytest.mark.parametrize(
    ("line_id", "quantity"),
    [
        ("", "net"),
        ("N", "net"),
        ("N1", "net"),
        ("N2", "net"),
        ("G", "gross"),
        ("G#", "gross"),
        ("G1", "gross"),
        ("T", None),
        ("Nom", None),
        ("nRef", None),
        ("Gx", None),
    ],
)
def test_only_n_and_blank_are_the_net_weight_and_only_g_the_gross(line_id: str, quantity: str | None) -> None:
    line = parse_line(f"{line_id:<6}+    1.000 g  ".encode() + b"\r\n")
    assert line.value == 1.0
    assert line.quantity == quantity


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("      HH      ", "overload", None),
        ("      L", "underload", None),
        ("   Cal. Ext.  ", "adjusting", None),
        ("      --      ", "not_ready", None),
        ("Stat       OFF      ", "standby", None),
        ("", "blank", None),
        ("Stat", "blank", None),
        ("   ERR 7      ", None, 7),
        ("   COMM.ERR   ", None, "COMM"),
    ],
)
def test_words_are_read_by_text(text: str, status: str | None, code: int | str | None) -> None:
    line = parse_line(text.encode() + b"\r\n")
    assert (line.status, line.code, line.value) == (status, code, None)


def test_a_block_of_lines_gives_its_net_line_whatever_its_place() -> None:
    lines = [b"G#    + 1255.700 g  \r\n", b"T     + 1000.000 g  \r\n", b"N     +  255.700 g  \r\n"]
    for order in (lines, lines[::-1]):
        line = SbiCodec().decode(SbiRequest("P"), bytearray(b"".join(order)))
        assert line is not None
        assert line.value == 255.7


def test_two_candidates_are_not_a_reply() -> None:
    stale, new = b"N     +    1.000 g  \r\n", b"N     +    2.000 g  \r\n"
    buffer = bytearray(stale + new)
    assert SbiCodec().decode(SbiRequest("P"), buffer, final=True) is None
    buffer = bytearray(stale + new[:5])
    assert SbiCodec().decode(SbiRequest("P"), buffer, final=True) is None


def test_a_line_that_does_not_end_is_discarded_with_its_tail() -> None:
    codec, buffer = SbiCodec(), bytearray(b"x" * 65)
    line = codec.unsolicited(buffer)
    assert line is not None
    assert line.kind is Kind.GARBLED
    buffer += b"xx" + WIDE.encode() + b"\r\n" + NARROW.encode() + b"\r\n"
    tail, whole = codec.unsolicited(buffer), codec.unsolicited(buffer)
    assert tail is not None
    assert whole is not None
    assert (tail.kind, whole.value) == (Kind.GARBLED, 123.45)


def test_seven_bit_text_with_odd_parity_is_recognised_and_noise_is_not() -> None:
    seen = seven_bits_as_eight((WIDE + "\r\n").encode())
    assert seen[-2:] == b"\x0d\x8a"
    assert is_seven_bit_text(seen)
    assert not is_seven_bit_text((WIDE + "\r\n").encode())
    dice = random.Random(3)
    assert not any(is_seven_bit_text(dice.randbytes(22)) for _ in range(2000))
    line = SbiCodec().unsolicited(bytearray(seen * 3))
    assert line is not None
    assert line.status == SEVEN_BITS
