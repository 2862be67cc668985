"""Templates of requests and replies: ``S {state:word} {weight:number} {unit:word}``. Pure.

A template is matched from left to right, each field as far as its kind goes, and never backwards: the time is
proportional to the length of the line, whatever the template or the line. This is why it is not a regular expression.

A blank in a template is one or more blanks in the line; ``{{`` and ``}}`` are braces; a line feed stands between the
lines of a reply of several lines.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, get_args

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.instrument.description import QUANTITY_NAME

FieldKind = Literal["number", "int", "hex", "word", "text"]
KINDS: tuple[str, ...] = get_args(FieldKind)
MOST_PARTS = 64
LONGEST: dict[str, int] = {"number": 32, "int": 20, "hex": 16, "word": 40, "text": 160}
"""Characters of a field."""
IGNORED = "_"
ADDRESS, VALUE = "address", "value"
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")


class Field(Struct, frozen=True):
    """A named part of a line."""

    name: str
    kind: FieldKind


class Template(Struct, frozen=True, cache_hash=True):
    """A line with fields. ``parts``: texts and fields in turn."""

    parts: tuple[str | Field, ...]

    @property
    def fields(self) -> dict[str, FieldKind]:
        """The fields that are not ignored."""
        return {part.name: part.kind for part in self.parts if isinstance(part, Field) and part.name != IGNORED}

    @property
    def lines(self) -> "tuple[Template, ...]":
        """The templates of the lines of which it consists."""
        lines: list[list[str | Field]] = [[]]
        for part in self.parts:
            first, *rest = part.split("\n") if isinstance(part, str) else [part]
            lines[-1] += [first] if first else []
            lines += [[text] if text else [] for text in rest]
        return tuple(Template(tuple(parts)) for parts in lines)

    @property
    def first_word(self) -> str | None:
        """The first word of every line that matches; None if it begins with a field, or has one in its first word."""
        first = self.parts[0] if self.parts else ""
        if isinstance(first, Field) or not first.strip():
            return None
        head, blank, _ = first.lstrip(" ").partition(" ")
        return head if blank or len(self.parts) == 1 else None

    def filled(self, **values: str) -> "Template":
        """Return the template with texts in place of fields of these names."""
        parts: list[str | Field] = []
        for part in self.parts:
            text = values.get(part.name) if isinstance(part, Field) else part
            if text is None:
                parts.append(part)
            elif parts and isinstance(parts[-1], str):
                parts[-1] += text
            else:
                parts.append(text)
        return Template(tuple(parts))

    def match(self, line: str) -> dict[str, str] | None:
        """Return the texts of the fields of a line; None if it is not such a line."""
        line, at, found = line.strip(" "), 0, {}
        for number, part in enumerate(self.parts):
            if isinstance(part, str):
                end = _after(part.lstrip(" ") if number == 0 else part, line, at)
            else:
                end = _end_of(part.kind, line, at, self._stop(number))
            if end is None:
                return None
            if isinstance(part, Field) and part.name != IGNORED:
                found[part.name] = line[at:end].rstrip(" ")
            at = end
        return found if at == len(line) else None

    def render(self, values: Mapping[str, str]) -> str:
        """Return the line with these fields."""
        return "".join(part if isinstance(part, str) else values.get(part.name, "0") for part in self.parts)

    def _stop(self, number: int) -> str:
        """Return the text that ends a field, without the blanks in front of it; empty: the end of the line."""
        following = self.parts[number + 1] if number + 1 < len(self.parts) else ""
        return following if isinstance(following, str) else ""


def parse(text: str, *, plain: bool = False) -> Template:
    """Return the template of a text.

    Args:
        plain: of a request: ``{address}`` and ``{value}`` only.

    Raises:
        ConfigError: it is not a template.
    """
    _check_characters(text, plain)
    parts: list[str | Field] = []
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece in ("{", "}"):
            raise ConfigError(f"brace without its other one in {text!r}", hint="Write {{ or }} for a brace itself")
        if found[1] is None:
            literal = {"{{": "{", "}}": "}"}.get(piece, piece)
            if parts and isinstance(parts[-1], str):
                parts[-1] += literal
            else:
                parts.append(literal)
            continue
        parts.append(_field(found[1], text, plain))
    _check(parts, text)
    return Template(tuple(parts))


def _check_characters(text: str, plain: bool) -> None:
    if foreign := next((sign for sign in text if ord(sign) > 0xFF), None):
        raise ConfigError(f"character {foreign!r} cannot be sent: {text!r}", hint="Use characters of Latin-1 only")
    if "\r" in text or (plain and "\n" in text) or text != text.strip("\n"):
        raise ConfigError(
            f"end of a line in {text!r}",
            hint="Remove it: terminator of [line] is added to each request, and removed from each line of a reply",
        )


def _field(inner: str, text: str, plain: bool) -> Field:
    name, _, kind = inner.partition(":")
    if name in (ADDRESS, VALUE) and not kind:
        return Field(name, "word")
    if plain:
        raise ConfigError(f"field {inner!r} is not possible in the request {text!r}", hint="Use {address} or {value}")
    if kind not in KINDS or not (name == IGNORED or QUANTITY_NAME.fullmatch(name)):
        raise ConfigError(
            f"field {inner!r} is not NAME:KIND in {text!r}",
            hint=f"Kinds: {', '.join(KINDS)}; for example {{flow:number}}",
        )
    return Field(name, kind)  # type: ignore[arg-type]


def _check(parts: list[str | Field], text: str) -> None:
    names = [part.name for part in parts if isinstance(part, Field) and part.name != IGNORED]
    if len(set(names)) != len(names):
        raise ConfigError(f"a field occurs twice in {text!r}", hint="Give each field its own name, or _ to ignore it")
    for part, following in pairwise(parts):
        if isinstance(part, Field) and isinstance(following, Field) and part.kind in ("word", "text"):
            raise ConfigError(
                f"nothing ends field {part.name!r} in {text!r}", hint="Put a character between two fields"
            )
    if len(parts) > MOST_PARTS or not parts:
        raise ConfigError(f"template with {len(parts)} parts", hint=f"Use 1 to {MOST_PARTS} parts")


def _after(literal: str, line: str, at: int) -> int | None:
    """Return where a literal ends in a line; None if it does not stand there."""
    for sign in literal:
        if sign == " ":
            if at >= len(line) or line[at] != " ":
                if at > 0 and line[at - 1] == " ":
                    continue  # a blank before has taken all of them
                if at >= len(line):
                    continue  # blanks at the end of a line are not there
                return None
            while at < len(line) and line[at] == " ":
                at += 1
        elif at < len(line) and line[at] == sign:
            at += 1
        else:
            return None
    return at


def _end_of(kind: FieldKind, line: str, at: int, stop: str) -> int | None:
    """Return where a field ends in a line; None if none begins there."""
    limit = min(len(line), at + LONGEST[kind])
    match kind:
        case "number":
            return _number(line, at, limit)
        case "int":
            start = at + (at < limit and line[at] in "+-")
            return _run(line, start, limit, _DIGITS)
        case "hex":
            return _run(line, at, limit, _HEX)
    end = at
    mark = stop.lstrip(" ")[:1] if kind == "word" or stop.strip(" ") else ""
    while end < limit and line[end].isprintable():
        if (kind == "word" and line[end] == " ") or (mark and line[end] == mark):
            break
        end += 1
    if kind == "text":  # a blank in front of what follows belongs to that
        blanks = stop[: len(stop) - len(stop.lstrip(" "))]
        while blanks and end > at and line[end - 1] == " ":
            end -= 1
    return end if end > at and (end == len(line) or not _goes_on(line, end, kind, mark)) else None


def _goes_on(line: str, end: int, kind: FieldKind, mark: str) -> bool:
    """True if a field was cut because it is too long, or at a character that is none."""
    sign = line[end]
    return not (sign == " " or (mark and sign == mark)) and kind in ("word", "text")


def _number(line: str, at: int, limit: int) -> int | None:
    start = at + (at < limit and line[at] in "+-")
    whole = _run(line, start, limit, _DIGITS) or start
    end = whole
    if whole < limit and line[whole] == ".":
        fraction = _run(line, whole + 1, limit, _DIGITS) or whole + 1
        if fraction - 1 == whole == start:
            return None
        end = fraction
    elif whole == start:
        return None
    if end < limit and line[end] in "eE":
        exponent = end + 1 + (end + 1 < limit and line[end + 1] in "+-")
        end = _run(line, exponent, limit, _DIGITS) or end
    return None if end < len(line) and line[end] in _DIGITS else end


def _run(line: str, at: int, limit: int, signs: frozenset[str]) -> int | None:
    """Return the end of a run of characters; None if there is none, or if it is longer than the limit."""
    end = at
    while end < limit and line[end] in signs:
        end += 1
    return end if end > at and not (end == limit < len(line) and line[end] in signs) else None


def decimals_of(number: str) -> int:
    """Return the digits behind the point of a number."""
    mantissa = number.lower().partition("e")[0]
    return len(mantissa.partition(".")[2])
