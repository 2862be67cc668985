"""Wheels of all distributions of this repository, and new environments into which they are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = ("build", "*.egg-info", ".git", "__pycache__", ".pytest_cache", "tests")
SECONDS = 600


def environment() -> dict[str, str]:
    """The environment of a user: without the paths of this test run."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTHONPYCACHEPREFIX")
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def build_wheels(folder: Path) -> Path:
    """Build the wheels of riglog and of every plugin from a copy of the sources."""
    sources = folder / "sources"
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*LEFT_OUT))
    projects = [sources, *sorted(path.parent for path in sources.glob("plugins/*/pyproject.toml"))]
    wheels = folder / "wheels"
    done = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, *projects)
    if done.returncode:
        pytest.skip(f"no wheels can be built here: {done.stderr[-500:]}")
    return wheels


class FreshEnvironment:
    """A virtual environment with nothing in it but what a test installs from the wheels."""

    def __init__(self, folder: Path, wheels: Path, python: str = sys.executable) -> None:
        self.wheels = wheels
        self.folder = folder
        assert run(python, "-m", "venv", folder).returncode == 0
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"

    def install(self, *what: str | Path) -> None:
        done = run(self.python, "-m", "pip", "install", "--quiet", "--find-links", self.wheels, *what)
        assert done.returncode == 0, done.stderr[-2000:]

    def riglog(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return run(self.python, "-m", "riglog", *arguments, cwd=cwd)
