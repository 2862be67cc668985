"""`riglog new-driver`: valid names, nothing overwritten, and packages that are complete."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from riglog.cli.commands.new_driver import command
from riglog.cli.new_driver import KINDS, check_name, rendered
from riglog.errors import ConfigError


def new_driver(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_written_and_its_files_are_named(kind: str, tmp_path: Path) -> None:
    done = new_driver("lab-meter", f"--{kind}", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    root = tmp_path / "riglog-lab-meter"
    written = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {"pyproject.toml", "README.md", "riglog_lab_meter/plugin.py", "tests/test_conformance.py"} <= written
    assert all(str(root / path) in done.output for path in written)
    told = tomllib.loads((root / "pyproject.toml").read_text())
    assert told["project"]["entry-points"]["riglog"] == {"lab-meter": "riglog_lab_meter.plugin"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_complete_and_can_be_compiled(kind: str) -> None:
    for place, text in rendered("lab-meter", kind):
        assert "@" not in text.replace("@hookimpl", ""), place
        if place.endswith(".py"):
            compile(text, place, "exec")
            assert max(map(len, text.splitlines())) <= 120, place


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "riglog-meter" / "README.md"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = new_driver("meter", "--ascii", "--out", tmp_path)
    assert isinstance(done.exception, ConfigError)
    assert "exists already" in done.exception.message
    assert [path.name for path in mine.parent.iterdir()] == ["README.md"]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    ["", "Meter", "1meter", "my_meter", "-meter", "meter-", "a--b", "../meter", "meter/x", "mètre", "m" * 41, "a b"],
)
def test_a_name_that_is_no_driver_package_and_distribution_is_refused(name: str, tmp_path: Path) -> None:
    done = new_driver("--ascii", "--out", tmp_path, "--", name)
    assert isinstance(done.exception, ConfigError)
    assert "invalid driver name" in done.exception.message
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_installed_driver_is_refused() -> None:
    with pytest.raises(ConfigError, match="installed already"):
        check_name("watlow", frozenset({"watlow"}))


def test_the_kind_must_be_given(tmp_path: Path) -> None:
    done = new_driver("meter", "--out", tmp_path)
    assert done.exit_code == 2
    assert "--ascii, --binary, --modbus, --direct" in done.output
