"""Runs riglog as a user would: the installed program, in its own process."""

import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from processes import running

RIGLOG = [sys.executable, "-m", "riglog"]
SECONDS = 60


class Finished(Struct, frozen=True):
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def riglog(*arguments: object, cwd: Path | None = None, **environment: str) -> Finished:
    """Run a command to its end."""
    done = subprocess.run(
        [*RIGLOG, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=SECONDS,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def unprivileged(*arguments: object) -> Finished:
    """Run a command that obeys file permissions, even if the user is root. Linux only."""
    done = subprocess.run(
        [*RIGLOG, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=_obey_permissions,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def _obey_permissions() -> None:
    """Drop CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) for the program that is executed next."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@contextmanager
def started(*arguments: object, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a command while the block runs; at its end the command is killed if it is still running."""
    with running(
        [*RIGLOG, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:
        yield process


@contextmanager
def simulated(*arguments: object, cwd: Path | None = None) -> Iterator[dict[str, Any]]:
    """Run ``riglog simulate …`` while the block runs; yield the object that it printed when it was ready."""
    with started("simulate", *arguments, cwd=cwd) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield json.loads(line)


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> Finished:
    """Send a signal and wait for the end."""
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    return Finished(process.returncode, out, err)


def wait_for_rows(path: Path, count: int = 1) -> None:
    """Wait until another process has stored so many rows in an SQLite recording."""
    deadline = time.monotonic() + SECONDS
    while _rows(path) < count:
        assert time.monotonic() < deadline, f"fewer than {count} rows in {path.name}"
        time.sleep(0.05)


def _rows(path: Path) -> int:
    """Return the number of rows of a recording; 0 while it is being created."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as database:
            return int(database.execute("SELECT count(*) FROM samples").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def rig(directory: Path, *devices: dict[str, Any], sinks: Sequence[str] = (), **run: Any) -> Path:
    """Write a rig file."""
    lines = ["[run]", *(f"{key} = {json.dumps(value)}" for key, value in run.items())]
    for sink in sinks:
        lines += ["[[sink]]", sink]
    for device in devices:
        lines += ["[[device]]", *(f"{key} = {json.dumps(value)}" for key, value in device.items())]
    path = directory / "rig.toml"
    path.write_text("\n".join(lines) + "\n")
    return path
