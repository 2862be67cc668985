"""Every user-visible text follows the message patterns of docs/reference/glossary.md, and every message is listed."""

import re
from pathlib import Path

import pytest
from wording import Text, listed, pattern, room, sources, texts

PENDING: set[str] = set()
"""Rooms whose texts do not follow the patterns yet. Remove a room as soon as its tests pass."""
RETIRED = re.compile(
    r"\b(say|says|said|tell|tells|told|hear|hears|heard|speak|speaks|talks?|ask|asks|asked|asking|answers?|answered"
    r"|silent|nobody|somebody|everybody|whoever|thing|things|gives? up|let go|comes? back|of itself|doubt|doubtful"
    r"|owed?|owes|believed?|patience|quiet|hole|holes|what was due|leave away|beside|knob|passed over|slaves?"
    r"|analysers?"
    r"|far end|shipped|ships?)\b"
    r"|\b(?:the|this|that|each|every|another|no|any|it is) one\b(?! of)"
    r"|\b(?:is|are|was|were) no\b|\bhas no such\b|\bno .+ called\b|\bnames nothing\b",
    re.IGNORECASE,
)
NAMES = re.compile(r"\{\}|[-`'\[]|[A-Z]\w*[A-Z0-9]|(SQLite|Parquet|PostgreSQL|Modbus|Standard Bus|Ctrl)\b")
"""What a text may begin with although it is not a lower-case word: a placeholder, an option, a proper name."""


def found(*kinds: str) -> list[Text]:
    return [text for path in sources() for text in texts(path) if text.kind in kinds]


def of_room(name: str, *kinds: str) -> list[Text]:
    return [text for path in sources() if room(path) == name for text in texts(path) if text.kind in kinds]


ROOMS = [
    pytest.param(name, marks=pytest.mark.xfail(reason="not rewritten yet", strict=False) if name in PENDING else ())
    for name in sorted({room(path) for path in sources()})
]
FACTS = ("error", "event", "reason", "warning")
EVERYTHING = (*FACTS, "hint", "help", "summary", "docstring", "printed")


def where(text: Text) -> str:
    return f"{text.path}:{text.line}: {text.text!r}"


@pytest.mark.parametrize("name", ROOMS)
def test_no_text_uses_a_retired_word(name: str) -> None:
    assert [where(text) for text in of_room(name, *EVERYTHING) if RETIRED.search(text.text)] == []


@pytest.mark.parametrize("name", ROOMS)
def test_a_message_states_a_fact_without_capital_and_full_stop(name: str) -> None:
    wrong = [
        where(text)
        for text in of_room(name, *FACTS)
        if text.text.endswith((".", "!"))
        or " - " in text.text
        or (text.text[:1].isupper() and not NAMES.match(text.text))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ROOMS)
def test_a_hint_is_a_sentence_with_a_capital_and_without_a_full_stop(name: str) -> None:
    wrong = [
        where(text)
        for text in of_room(name, "hint")
        if text.text[:1].islower() or text.text.endswith((".", "!")) or " - " in text.text
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ROOMS)
def test_a_help_text_is_a_sentence_and_a_summary_fits_into_60_characters(name: str) -> None:
    for text in of_room(name, "help", "summary", "docstring"):
        assert text.text[:1].isupper(), where(text)
        assert text.text.endswith("."), where(text)
    for text in of_room(name, "summary"):
        assert len(text.text) <= 60, where(text)


@pytest.mark.parametrize("name", ROOMS)
def test_every_message_is_listed_with_its_next_step(name: str) -> None:
    page: dict[str, set[str]] = {}
    for row in listed():
        page.setdefault(row.message, set()).update(row.hints)
    missing = [where(text) for text in of_room(name, *FACTS) if text.text not in page]
    assert missing == []
    assert [where(text) for text in of_room(name, *FACTS) if not set(text.hints) <= page[text.text]] == []


def test_every_message_of_the_list_is_in_the_source() -> None:
    known = {text.text for text in found(*FACTS)}
    assert [row.message for row in listed() if row.message not in known] == []


def test_the_pending_rooms_exist() -> None:
    assert {room(path) for path in sources()} >= PENDING


def test_the_finder_finds_every_kind_of_text(tmp_path: Path) -> None:
    assert {text.kind for text in found(*EVERYTHING)} == set(EVERYTHING)
    assert pattern("port {}: {} s").fullmatch("port /dev/ttyUSB0: 0.5 s")
