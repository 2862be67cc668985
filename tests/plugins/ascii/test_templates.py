"""Templates: what they accept, that nothing else is accepted, and that their time is linear."""

import random

import pytest

from riglog.errors import ConfigError
from riglog_ascii.templates import parse


@pytest.mark.parametrize(
    ("template", "line", "fields"),
    [
        ("S {s:word} {w:number} {u:word}", "S S     100.00 g", {"s": "S", "w": "100.00", "u": "g"}),
        ("{x:number}", "+295.230", {"x": "+295.230"}),
        ("{x:number}", "  -1.5E-03 ", {"x": "-1.5E-03"}),
        ("{x:number}", ".5", {"x": ".5"}),
        ("{x:number}", "5.", {"x": "5."}),
        ("{x:number} {u:word}", "12C", None),
        ("{x:number}{u:word}", "12.5C", {"x": "12.5", "u": "C"}),
        ("{x:number},{y:number}", "1,-2", {"x": "1", "y": "-2"}),
        ("A{n:int}_{x:number}", "A032_55.5", {"n": "032", "x": "55.5"}),
        ('I4 A "{sn:text}"', 'I4 A "B021002593"', {"sn": "B021002593"}),
        ("{a:word},{b:word}", "LSCI,MODEL331S", {"a": "LSCI", "b": "MODEL331S"}),
        ("{_:word} {x:int}", "ignored 7", {"x": "7"}),
        ("st={h:hex}", "st=1F", {"h": "1F"}),
        ("{t:text}", "a b c", {"t": "a b c"}),
        ("{{{x:int}}}", "{5}", {"x": "5"}),
        ("OK", "OK", {}),
    ],
)
def test_a_line_is_taken_apart(template: str, line: str, fields: dict[str, str] | None) -> None:
    assert parse(template).match(line) == fields


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{x:number}", ""),
        ("{x:number}", "."),
        ("{x:number}", "+"),
        ("{x:number}", "1.2.3"),
        ("{x:number}", "12 34"),
        ("{x:number}", "nan"),
        ("{x:number}", "1e5x"),
        ("{x:number}", "12.345.6"),
        ("{x:number}", "--5"),
        ("{x:number}", "1" * 40),
        ("{x:int}", "1.5"),
        ("{x:int}", "9" * 30),
        ("S {x:number} g", "S 5 kg"),
        ("S {x:number} g", "X S 5 g"),
        ("S {x:number} g", "S 5 g g"),
        ("S {x:number}", "S5"),
        ("{w:word}", "a\x07b"),
        ("{w:word}", "w" * 60),
        ("OK", "OKAY"),
        ("OK", "O"),
    ],
)
def test_what_is_not_the_whole_line_is_not_accepted(template: str, line: str) -> None:
    assert parse(template).match(line) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "}", "{x}", "{x:float}", "{:number}", "{x:int}{x:int}", "{X:int}", "{a:word}{b:word}", "{a:text}{b:int}"],
)
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


def test_a_request_has_only_address_and_value() -> None:
    assert parse("A{address}_SP {value}", plain=True).filled(address="032", value="5.0").render({}) == "A032_SP 5.0"
    with pytest.raises(ConfigError, match="not possible in the request"):
        parse("X {y:int}", plain=True)


def test_the_time_is_linear_in_the_line_for_any_template() -> None:
    """Each character is looked at a few times at most; a regular expression like (a+)+b would need 2^n steps."""
    looked = 0

    class Line(str):
        __slots__ = ()

        def __getitem__(self, at: object) -> str:
            nonlocal looked
            looked += 1
            return str.__getitem__(self, at)  # type: ignore[index]

        def strip(self, signs: str | None = None) -> "Line":
            return self

    parts = "".join(f"{{f{number}:number}} " for number in range(20)) + "end"
    for text in ("1 " * 2000, "1" * 4000, " " * 4000, "1 " * 20 + "ene" * 1000):
        looked = 0
        assert parse(parts).match(Line(text)) is None
        assert looked < 20 * len(text)


def test_no_line_of_random_characters_raises() -> None:
    rng = random.Random(1)
    templates = [parse(text) for text in ("{x:number} {u:word}", "S {a:text},{b:int}", "{t:text} ok", "{h:hex}{n:int}")]
    signs = "0123456789+-.eE ,okSabcDEF\t\x00\xff"
    for _ in range(5000):
        line = "".join(rng.choice(signs) for _ in range(rng.randrange(24)))
        for template in templates:
            fields = template.match(line)
            assert fields is None or all(isinstance(text, str) for text in fields.values())
            if fields is not None and "x" in fields:
                float(fields["x"])


def test_a_rendered_line_is_matched_again() -> None:
    template = parse("S {s:word} {w:number} {u:word}")
    line = template.render({"s": "D", "w": "-1.20", "u": "kg"})
    assert template.match(line) == {"s": "D", "w": "-1.20", "u": "kg"}
