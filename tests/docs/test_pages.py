"""The form of the pages: the same sections for every vendor, decisions without gaps, every page reachable."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from riglog.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALL = "pytest -n logical --dist loadgroup"
FAST = 'pytest -n logical -m "not real_time and not slow"'
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


INSTRUMENTS = sorted((ROOT / "docs" / "instruments").glob("*.md"))
OF_AN_INSTRUMENT = [
    "Wiring",
    "Settings at the instrument",
    "Rig file",
    "Parameters",
    "What is proven, and what the wire cannot show",
    "Faults",
]


def headings(path: Path) -> list[str]:
    return re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("vendor", sorted(path.parents[1].name for path in ROOT.glob("plugins/*/*/driver.py")))
def test_every_vendor_has_the_same_sections_in_the_same_order(vendor: str) -> None:
    assert headings(ROOT / "plugins" / vendor / "README.md") == SECTIONS


@pytest.mark.parametrize("page", INSTRUMENTS, ids=lambda path: path.stem)
def test_every_instrument_has_the_same_sections_and_messages_as_they_are_printed(page: Path) -> None:
    assert headings(page) == OF_AN_INSTRUMENT
    faults = page.read_text(encoding="utf-8").partition("\n## Faults\n")[2]
    messages = re.findall(r"^\| `([^`]+)`", faults, re.MULTILINE)
    assert messages
    assert [message for message in messages if message not in listed_messages()] == []


def test_every_page_of_an_instrument_is_linked_by_its_driver() -> None:
    linked = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("plugins/*/README.md"))
    assert [page for page in INSTRUMENTS if f"docs/instruments/{page.name})" not in linked] == []


def listed_messages() -> set[str]:
    text = (ROOT / "docs" / "reference" / "messages.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def test_decisions_are_numbered_without_gaps_and_give_their_reasons() -> None:
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


def test_the_troubleshooting_page_has_messages_as_they_are_printed() -> None:
    page = (ROOT / "docs" / "how-to" / "troubleshoot.md").read_text(encoding="utf-8")
    paragraphs = re.findall(r"^## .+\n\n((?:`.+\n)+)", page, re.MULTILINE)
    messages = [message for text in paragraphs for message in re.findall(r"`([^`]+)`", text.replace("\n", " "))]
    assert len(messages) > 30
    assert [message for message in messages if message not in listed_messages()] == []


def test_the_readme_has_the_two_commands_and_the_fast_tests() -> None:
    code = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
    vendors = "watlow", "servomex", "sartorius", "modbus", "ascii", "mqtt"
    assert [line for line in code.splitlines() if line.startswith("pip install")] == [
        f"pip install . {' '.join(f'./plugins/{vendor}' for vendor in vendors)} && riglog demo",
        f'pip install -e ".[dev]" {" ".join(f"-e ./plugins/{vendor}" for vendor in vendors)} && {ALL}',
    ]
    assert FAST in code.splitlines()
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"| `{command}` |" in contributing for command in (ALL, FAST))


def test_the_map_of_the_house_is_that_of_the_import_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [{name for name in layer.split(" | ") if not name.startswith("_")} for layer in contracts[0]["layers"]]
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Map and layers\n")[2]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| .* \| .* \|$", contributing, re.MULTILINE)
    assert [set(re.findall(r"\w+", row)) for row in rows] == [layer for layer in layers if layer]


def test_the_layers_of_a_plugin_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = [contract for contract in contracts if contract["name"] == "every plugin has the same layers"]
    checked = [{name.strip("()") for name in layer.split(" : ")} for layer in contract["layers"] if "_" not in layer]
    wires = {path.parent.name for path in ROOT.glob("plugins/*/riglog_*/*/protocol.py")}
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    printed = contributing.partition("there are no circles:\n\n```\n")[2].partition("\n```")[0].splitlines()
    assert [{"<wire>" if name in wires else name for name in layer} for layer in checked] == [
        set(line.split()) for line in printed
    ]


def test_pre_commit_runs_the_quick_checks_of_ci_without_a_download() -> None:
    config = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (loop,) = re.findall(r"^for command in (\"ruff .+); do$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    checks = [check for check in re.findall(r'"([^"]+)"', loop) if "--platform" not in check]
    hooks = re.findall(r"^        entry: (.+)\n        language: system$", config, re.MULTILINE)
    assert [hook.replace(" --force-exclude", "") for hook in hooks] == [
        check.removesuffix(" .").replace(" --check", "") for check in checks
    ]
    assert re.findall(r"- repo: (.+)", config) == ["local"]


def test_the_changes_name_every_command() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"`{command}`" in changes for command in COMMANDS)


def renamed(heading: str) -> dict[str, str]:
    """The table of the changes with this heading: present name to former name."""
    table = (
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split(f"| {heading} | before |", 1)[1].split("\n\n", 1)[0]
    )
    return dict(re.findall(r"^\| `([\w-]+)` \| `([\w-]+)` \|", table, re.MULTILINE))


def test_the_changes_list_every_renamed_event_kind() -> None:
    from riglog.model import RENAMED_KINDS

    assert renamed("event kind") == {new: old for old, new in RENAMED_KINDS.items()}


def test_the_changes_list_every_renamed_option() -> None:
    from riglog.cli.options import RenamedOption

    commands = [import_module(f"riglog.cli.commands.{name.replace('-', '_')}").command for name in COMMANDS]
    options = [option for command in commands for option in command.params if isinstance(option, RenamedOption)]
    assert options
    assert renamed("option") == {option.opts[0]: option.opts[-1] for option in options}
