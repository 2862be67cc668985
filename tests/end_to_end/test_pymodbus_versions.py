"""pymodbus renames things in minor versions: those that are admitted were tested, and the newest one is tried.

A version that fails here is the reason to change one file (``protocol/modbus/client.py``), before a user has it.
"""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTED = ("3.15.0", "3.16.1")
"""The oldest and the newest version with which the tests of Modbus have passed; the requirement ends behind it."""
TESTS = ("test_client.py", "test_peer.py")
SECONDS = 120


def test_only_versions_that_were_tested_are_admitted() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (required,) = [each for each in project["dependencies"] if each.startswith("pymodbus")]
    oldest, newest = (tuple(map(int, each.split(".")[:2])) for each in TESTED)
    assert required == f"pymodbus>={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    assert oldest <= tuple(map(int, version("pymodbus").split(".")[:2])) <= newest


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="the tests of Modbus need pseudo-terminals")
@pytest.mark.parametrize("wanted", [f"pymodbus=={TESTED[0]}", "pymodbus"], ids=["oldest", "newest"])
def test_modbus_works_with_the_oldest_and_with_the_newest_pymodbus(wanted: str, tmp_path: Path) -> None:
    """The newest one that exists, also if it is not admitted yet. Skipped where it cannot be installed."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, wanted]
    installed = subprocess.run(pip, capture_output=True, text=True, timeout=SECONDS, check=False)
    if installed.returncode:
        pytest.skip(f"{wanted} cannot be installed here: {installed.stderr[-300:]}")
    (found,) = [match[1] for path in tmp_path.iterdir() if (match := re.match(r"pymodbus-(.+)\.dist-info", path.name))]
    if found == version("pymodbus"):
        pytest.skip(f"pymodbus {found} is the one that all tests of Modbus run with")
    paths = os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    folder = ROOT / "tests" / "core" / "protocol" / "modbus"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *(folder / name for name in TESTS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"pymodbus {found}: {done.stdout[-2000:]}"
