"""The first drivers of the how-to page: as short as promised, and everything on the page runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "first-driver.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


GAUGE, DISK, TEST = blocks("python")
PROJECT, RIG = blocks("toml")
COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
ENTRY_POINTS = re.findall(r'^(\w+) = "(riglog_\w+)"', PROJECT, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, installed as its pyproject.toml would install them."""
    path = tmp_path_factory.mktemp("first-driver")
    (path / "riglog_gauge.py").write_text(GAUGE)
    (path / "riglog_disk.py").write_text(DISK)
    (path / "test_gauge.py").write_text(TEST)
    (path / "rig.toml").write_text(RIG)
    info = path / "riglog_gauge-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: riglog-gauge\nVersion: 0.1.0\n")
    lines = [f"{name} = {module}\n" for name, module in ENTRY_POINTS]
    (info / "entry_points.txt").write_text("".join(["[riglog]\n", *lines]))
    return path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(("code", "limit"), [(GAUGE, 60), (DISK, 25)], ids=["port", "direct"])
def test_a_driver_is_as_short_as_promised(code: str, limit: int) -> None:
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= limit
    assert all(len(line) <= 120 for line in lines)


@pytest.mark.real_time
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_runs(folder: Path, command: str) -> None:
    done = run(folder, *command.split())
    assert done.returncode == 0, done.stderr
    if command.startswith("riglog plugins"):
        assert re.search(r"gauge.*Pressure gauges", done.stdout)
        assert re.search(r"disk.*Free space of a disk", done.stdout)
    if command.startswith("riglog read"):
        assert re.search(r"pressure.* mbar", done.stdout)
        assert re.search(r"temperature.* degC", done.stdout)
    if command.startswith("riglog record"):
        rows = dict(re.findall(r"^(\w+) +pressure +(\d+) +0 ", done.stdout, re.MULTILINE))
        assert rows == {"chamber": "10", "pump": "10"}
        assert not re.search(r"^pump +temperature", done.stdout, re.MULTILINE)
        assert re.search(r"^computer +free_space +2 +0 ", done.stdout, re.MULTILINE)


@pytest.mark.real_time
def test_the_test_of_the_page_passes(folder: Path) -> None:
    done = run(folder, "pytest", "-q", "test_gauge.py", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout


@pytest.mark.real_time
def test_the_drivers_are_typed(folder: Path) -> None:
    pytest.importorskip("mypy")
    done = run(folder, "mypy", "--strict", "--cache-dir", os.devnull, "riglog_gauge.py", "riglog_disk.py")
    assert done.returncode == 0, done.stdout
