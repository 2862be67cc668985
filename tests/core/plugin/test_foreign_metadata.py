"""Metadata of other packages that is no file: a pipe would be waited for, a device read, for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIST = "from riglog.plugin.loader import installed_entry_points as found; print(sorted({p.name for p in found()}))"


def plugins(path: Path) -> str:
    program = f"import logging; logging.basicConfig(); import sys; sys.path.insert(0, {str(path)!r}); {LIST}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout + done.stderr


def names(printed: str) -> set[str]:
    return set(printed.splitlines()[0].strip("[]").split(", "))


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
@pytest.mark.parametrize("name", ["entry_points.txt", "METADATA", "PKG-INFO"])
def test_a_package_whose_metadata_is_a_pipe_stops_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "stranger-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[riglog]\nstranger = stranger\n")
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    before = plugins(tmp_path)
    assert "'stranger'" in before
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    after = plugins(tmp_path)
    assert f"package metadata is not read: {folder / name} is not a regular file" in after
    assert names(after) == names(before) - {"'stranger'"}
