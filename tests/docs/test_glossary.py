"""One word, one meaning: the glossary is complete in itself, names what the code has, and the pages keep to it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
TERMS, _, RETIRED = GLOSSARY.read_text(encoding="utf-8").partition("\n## Retired words\n")
PAGES = [
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    if path != GLOSSARY
]
SOURCES = [path for folder in ("core", "plugins") for path in (ROOT / folder).rglob("*.py")]


def cells(text: str) -> list[list[str]]:
    """The rows of all tables in a text, without their headings."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if row[0] not in ("term", "retired") and not row[0].startswith("---")]


def names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",")]


TERM_NAMES = [name for row in cells(TERMS) for name in names(row[0])]
RETIRED_WORDS = [word for row in cells(RETIRED) for word in names(row[0])]
CODE_WORDS = sorted(set(re.findall(r"`([^`]+)`", TERMS)))


def pattern(words: str) -> re.Pattern[str]:
    """The word, or the first of several words, with any ending."""
    first, _, rest = words.partition(" ")
    forms = rf"{first[:-1]}(?:e|es|ed|ing)" if first.endswith("e") else rf"{first}(?:s|es|d|ed|ing)?"
    return re.compile(rf"\b{forms}" + (rf"\s+{rest}" if rest else "") + r"\b", re.IGNORECASE)


def prose(page: Path) -> str:
    """A page without code blocks, code words and the targets of links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`\n]*`", "", text))


def test_every_term_is_defined_once() -> None:
    assert len(TERM_NAMES) > 100
    assert sorted(TERM_NAMES) == sorted(set(TERM_NAMES))


def test_every_term_is_explained_in_a_sentence() -> None:
    for row in cells(TERMS):
        assert len(row) in (2, 3), row
        assert re.fullmatch(r"[A-Z].+\.|.+: .+\.( Empty: unknown\.)?", row[1]), row


@pytest.fixture(scope="module")
def code_names() -> set[str]:
    """Every name that the source defines or uses, and every word in a string that is not a docstring."""
    found: set[str] = set()
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            names = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "module")]
            text = getattr(node, "value", None) if isinstance(node, ast.Constant) and id(node) not in texts else None
            found.update(word for name in [*names, text] if isinstance(name, str) for word in re.findall(r"\w+", name))
    return found


@pytest.mark.parametrize("word", CODE_WORDS)
def test_every_code_word_of_the_glossary_is_in_the_source(word: str, code_names: set[str]) -> None:
    assert word in code_names


def test_no_term_is_a_retired_word() -> None:
    assert not [term for term in TERM_NAMES for word in RETIRED_WORDS if pattern(word).fullmatch(term)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_uses_a_retired_word(page: Path) -> None:
    text = prose(page)
    assert not [found[0] for word in RETIRED_WORDS for found in pattern(word).finditer(text)]


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("tell", "the device tells", True),
        ("tell", "a teller", False),
        ("thing", "nothing is sent", False),
        ("pass over", "it passes over a slot", True),
        ("ship", "shipping", False),
        ("owe", "owing", True),
        ("hole", "hold", False),
    ],
)
def test_a_word_is_found_with_its_endings_and_not_inside_another(word: str, text: str, found: bool) -> None:
    assert bool(pattern(word).search(text)) is found
