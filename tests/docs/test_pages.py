"""The pages keep to their form: the same sections for every vendor, decisions without gaps, no page lost."""

import re
from pathlib import Path

import pytest

from riglog.cli.app import COMMANDS
from riglog.plugin import installed

ROOT = Path(__file__).parents[2]
SECTIONS = [
    "Models",
    "Wiring",
    "Settings",
    "Channels",
    "Sample rig.toml",
    "In Python",
    "Simulator",
    "What was tested against what",
    "Limits",
]


def headings(path: Path) -> list[str]:
    return re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("vendor", sorted(installed().drivers))
def test_every_vendor_has_the_same_sections_in_the_same_order(vendor: str) -> None:
    assert headings(ROOT / "plugins" / vendor / "README.md") == SECTIONS


def test_decisions_are_numbered_without_gaps_and_say_why() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences"))
        assert len(text.splitlines()) < 40


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\((?!http)([^)#]+\.md)", page.read_text(encoding="utf-8"))
            waiting += [(page.parent / link).resolve() for link in links]
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"}
    assert pages <= reached


def test_the_changes_name_every_command() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"`{command}`" in changes for command in COMMANDS)
