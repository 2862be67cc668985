"""Completion in a shell: what a person gets with the Tab key."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import RIGLOG, riglog

pytestmark = [pytest.mark.real_time, pytest.mark.slow]


def in_bash(script: str, line: str, folder: Path) -> list[str]:
    """Return what bash would show after Tab at the end of a line, with riglog as a program on the path."""
    program = folder / "riglog"
    program.write_text(f'#!/bin/sh\nexec {" ".join(RIGLOG)} "$@"\n')
    program.chmod(0o755)
    words = line.split(" ")
    asked = f"""
{script}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
_riglog_completion riglog
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, env=environment, timeout=60, check=True, cwd=folder
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="needs bash")
def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    printed = riglog("completion", "bash")
    assert printed.code == 0, printed.err
    assert in_bash(printed.out, "riglog di", tmp_path) == ["discover"]
    assert in_bash(printed.out, "riglog record --max", tmp_path) == ["--max-gap"]
    assert in_bash(printed.out, "riglog completion z", tmp_path) == ["zsh"]
    assert {"record", "watlow"} <= set(in_bash(printed.out, "riglog ", tmp_path))


@pytest.mark.parametrize(
    ("shell", "word"), [("zsh", "#compdef riglog"), ("fish", "complete --no-files --command riglog")]
)
def test_the_other_shells_have_their_scripts(shell: str, word: str) -> None:
    assert word in riglog("completion", shell).out


def test_another_shell_is_refused_with_those_there_are() -> None:
    done = riglog("completion", "tcsh")
    assert done.code == 2
    assert "'bash', 'zsh', 'fish'" in done.err
