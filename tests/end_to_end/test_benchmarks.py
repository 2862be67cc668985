"""``benchmarks/run``: finds its modules by their one function, and fails only when a ratio has doubled."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULE = """
from figure import Figure

def figures(extent):
    yield Figure("work", {took}, "us", 1.0, "nothing", note=f"{{extent.rows}} rows")
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "run"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("run", "figure.py"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "recorded.json").write_text('{"work": 2.0}')
    (tmp_path / "other.py").write_text("raise AssertionError('a file without figures is not imported')")
    return tmp_path


@pytest.mark.real_time
@pytest.mark.parametrize(("took", "code"), [(0.5, 0), (3.9, 0), (4.1, 1)])
def test_a_check_fails_when_a_ratio_is_more_than_twice_the_recorded_one(folder: Path, took: float, code: int) -> None:
    (folder / "mine.py").write_text(MODULE.format(took=took))
    done = run(folder, "--check", "--json", "out.json", "--rows", "1e5")
    assert done.returncode == code, done.stderr
    assert ("worse than 2 times the recorded ratio: work" in done.stdout) == bool(code)
    (kept,) = json.loads((folder / "out.json").read_text())
    assert (kept["name"], kept["ratio"], kept["note"]) == ("work", took, "100000 rows")


@pytest.mark.real_time
def test_a_recorded_ratio_is_kept_for_the_next_run(folder: Path) -> None:
    (folder / "mine.py").write_text(MODULE.format(took=7.0))
    assert run(folder, "--record").returncode == 0
    assert json.loads((folder / "recorded.json").read_text()) == {"work": 7.0}
    assert run(folder, "--check").returncode == 0


@pytest.mark.real_time
def test_the_page_names_every_module() -> None:
    listed = [line for line in run(FOLDER, "--list").stdout.splitlines() if re.fullmatch(r"\w+", line)]
    page = (FOLDER / "README.md").read_text("utf-8")
    assert "recorder_cost" in listed
    assert [name for name in listed if f"| `{name}` |" not in page] == []


def test_recorded_ratios_are_numbers_above_zero() -> None:
    recorded = json.loads((FOLDER / "recorded.json").read_text("utf-8"))
    assert recorded
    assert all(ratio > 0 for ratio in recorded.values())
