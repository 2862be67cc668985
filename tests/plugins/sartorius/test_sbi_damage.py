"""Every line of every layout with one character lost, doubled or changed: what is detected, and what cannot be.

A line has no checksum. What proves it are its columns, and the facts that it states like the lines before it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

import pytest

from riglog.device import StatedFacts
from riglog_sartorius.config import Quantity
from riglog_sartorius.sbi.lines import Line, parse_line

PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]
UNITS = ("g", "kg", "mg", "ct", "lb", "oz", "ozt", "t", "N", "GN", "/lb", "dwt", "tlh", "%", "pcs", "")
Facts = dict[Quantity, StatedFacts]


def lines_of(label: str, sign: str, number: str, unit: str, *, trimmed: bool) -> str:
    text = f"{label:<6}" if label else ""
    text += f"{sign}{number:>9} {unit:<3}"
    return text.rstrip(" ") if trimmed else text


LABELS, SIGNS = ("", "N", "G", "N1"), "+- "
NUMBERS = ("0.006", "12.345", "1255.7", "253", "111.25507")


@lru_cache(50_000)  # most damaged lines are damaged forms of several lines
def parsed(text: str) -> Line:
    return parse_line(text.encode() + b"\r\n")


def after(lines: list[Line]) -> Facts:
    """Return the facts after these lines."""
    facts = {quantity: StatedFacts() for quantity in Quantity}
    for line in lines:
        assert line.quantity is not None
        facts[line.quantity].prove(line.facts)
    return facts


def is_ok_at_once(line: Line, facts: Facts) -> bool:
    return line.quantity is not None and facts[line.quantity].agree(line.facts)


def is_ok(line: Line, facts: Facts) -> bool:
    return line.quantity is not None and facts[line.quantity].prove(line.facts)


def one_character_less(text: str) -> Iterator[str]:
    yield from (text[:at] + text[at + 1 :] for at in range(len(text)))


def one_character_doubled(text: str) -> Iterator[str]:
    yield from (text[: at + 1] + text[at:] for at in range(len(text)))


def cases(units: Sequence[str] = UNITS, numbers: Sequence[str] = NUMBERS) -> Iterator[tuple[str, Facts]]:
    """Each line, and what is known after lines of the same display with other weights of both signs and labels."""
    for label, sign, unit, trimmed in product(LABELS, SIGNS, units, (False, True)):
        for number in numbers:
            text = lines_of(label, sign, number, unit, trimmed=trimmed)
            if parsed(text).value is None:
                assert trimmed or len(number) > 9
                continue
            plus = "+" if sign == "-" else sign
            before = []
            for other in ("N" if label == "G" else label, "G" if label else "", label):
                whole = number.replace("1", "7").replace("6", "4")
                before += [parsed(lines_of(other, plus, whole, unit, trimmed=trimmed))] * 2
            yield text, after(before)


@pytest.mark.parametrize("damage", [one_character_less, one_character_doubled])
def test_no_lost_or_doubled_character_gives_another_value_or_unit(damage: object) -> None:
    tried = 0
    for text, facts in cases():
        right = parsed(text)
        assert is_ok_at_once(right, facts), text
        for damaged in damage(text):  # type: ignore[operator]
            line = parsed(damaged)
            tried += 1
            if is_ok_at_once(line, facts):
                assert (line.value, line.quantity) == (right.value, right.quantity), (text, damaged)
                assert line.unit in (right.unit, None), (text, damaged)
    assert tried > 20_000


@pytest.mark.slow
def test_a_changed_character_is_detected_except_digits_signs_and_the_label_of_a_balance_that_prints_both() -> None:
    undetected: Counter[str] = Counter()
    for text, facts in cases(("g", "mg", ""), ("12.345", "253")):
        right = parsed(text)
        for at, was in enumerate(text):
            for now in PRINTABLE:
                line = parsed(text[:at] + now + text[at + 1 :])
                same = (line.value, line.quantity) == (right.value, right.quantity)
                if now == was or not is_ok_at_once(line, facts) or (same and line.unit in (right.unit, None)):
                    continue
                kinds = {"sign": was in "+- " and now in "+-", "digit": (was + now).strip(" ").isdecimal()}
                kinds["label"] = was + now in ("NG", "GN") and line.quantity is not right.quantity
                kind = next((name for name, fits in kinds.items() if fits), "other")
                undetected[kind] += 1
    assert set(undetected) == {"digit", "sign", "label"}, undetected


@pytest.mark.parametrize(
    "text",
    [
        "+    1.234 g ",  # one lost character of mg
        "N     +    1.234 g ",
        "+   12.345 k ",
        "+   12.345 g.",
        "+   12.345 g0 ",
        "+   12.345 \x60g ",
        "+  123.5[6]1  ",
    ],
)
def test_a_shorter_line_that_ends_in_a_blank_and_an_impossible_unit_are_not_weights(text: str) -> None:
    assert parsed(text).value is None


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        ("+   12.345 mg", "+   12.345 g"),
        ("+   12.345 kg", "+   12.345 g"),
        ("+   12.345 GN", "+   12.345 N"),
        ("+   12.345 ozt", "+   12.345 oz"),
        ("+   12.345 /lb", "+   12.345 lb"),
        ("+   12.345 g  ", "+   1.2345 g  "),
    ],
)
def test_a_lost_character_of_a_trimmed_line_is_a_new_fact_which_the_next_line_does_not_state(
    whole: str, damaged: str
) -> None:
    facts = after([parsed(whole)] * 2)
    assert parsed(damaged).value is not None
    assert not is_ok(parsed(damaged), facts)
    assert is_ok(parsed(whole), facts)
    assert not is_ok(parsed(damaged), facts)
    assert is_ok(parsed(damaged), facts)  # twice in a row: it was changed at the panel
    assert not is_ok(parsed(whole), facts)


def test_an_unstable_weight_states_no_unit_and_proves_none() -> None:
    facts = after([parsed("+   12.345    ")] * 2)
    assert not is_ok(parsed("+   12.345 g  "), facts)
    assert is_ok(parsed("+   12.346 g  "), facts)
    assert is_ok(parsed("+   12.346    "), facts)
    assert is_ok(parsed("+   12.346 g  "), facts)


@pytest.mark.parametrize("label", ["", "N"])
@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize("unit", ["g", "mg", "ozt", "GN", ""])
@pytest.mark.parametrize("number", ["123.5[6]", "  3.5[6]", "   25[3]"])
def test_no_lost_or_doubled_character_of_a_line_with_an_unverified_digit_gives_another_value(
    label: str, trimmed: bool, unit: str, number: str
) -> None:
    def whole(number: str) -> str:
        text = (f"{label:<6}" if label else "") + f"+{number:>10}{unit:<3}"
        return text.rstrip(" ") if trimmed else text

    right = parsed(whole(number))
    assert right.value is not None
    facts = after([parsed(whole(number.replace("5", "7")))] * 2)
    assert is_ok_at_once(right, facts)
    for damaged in (*one_character_less(whole(number)), *one_character_doubled(whole(number))):
        line = parsed(damaged)
        if is_ok_at_once(line, facts):
            assert (line.value, line.unit) in ((right.value, right.unit), (right.value, None)), damaged


def test_a_display_that_hides_its_last_digit_while_unstable_contradicts_nothing() -> None:
    stable, unstable = parsed("+   12.345 g  "), parsed("+   12.34     ")
    facts = after([stable, stable, unstable, unstable])
    assert all(is_ok(line, facts) for line in [stable, unstable] * 3)
    assert not is_ok(parsed("+   12.34  g  "), facts)


def test_a_plus_after_negative_weights_only_is_a_part_of_the_number() -> None:
    """A blank there may be a lost minus: it counts only if two lines in a row have it."""
    for label, unit in product(LABELS, ("g", "mg", "")):
        negative, plus, blank = (
            parsed(lines_of(label, sign, "12.345", unit, trimmed=False)) for sign in ("-", "+", " ")
        )
        facts = after([negative, negative])
        assert is_ok_at_once(plus, facts)
        assert not is_ok_at_once(blank, facts)
        assert [is_ok(line, facts) for line in (blank, negative, plus, blank, blank)] == [
            False,
            True,
            True,
            False,
            True,
        ]


@pytest.mark.parametrize("damage", [one_character_less, one_character_doubled])
def test_after_negative_weights_only_no_lost_or_doubled_character_gives_another_value(damage: object) -> None:
    for label, unit, number in product(LABELS, UNITS, NUMBERS):
        text = lines_of(label, "-", number, unit, trimmed=False)
        right = parsed(text)
        facts = after([right, right])
        for damaged in damage(text):  # type: ignore[operator]
            line = parsed(damaged)
            if is_ok_at_once(line, facts):
                assert (line.value, line.quantity) == (right.value, right.quantity), (text, damaged)
