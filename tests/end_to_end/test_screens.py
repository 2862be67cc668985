"""A recording does not depend on the screen: closed, full, gone or blocked."""

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from processes import running
from recorded import SERIAL, make_run, stamp
from terminal import RIGLOG, rig, riglog, wait_for_rows

from riglog import Batch, Sample, SqliteSink
from riglog.model import Event, EventKind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_time,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full, pseudo-terminals and the size of a pipe"),
]
OVEN = {"name": "oven", "driver": "watlow", "port": "sim:line", "parameters": ["setpoint"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return rig(tmp_path, OVEN, name="r", rate_hz=20.0, flush_interval=0.2)


def recording(path: Path, *more: str, **streams: Any) -> AbstractContextManager[subprocess.Popen[str]]:
    return running([*RIGLOG, "record", path.name, *more], cwd=path.parent, stdin=subprocess.DEVNULL, **streams)


def stored(path: Path) -> tuple[int, bool]:
    """Return the number of rows, and whether the run was finished in order."""
    with closing(sqlite3.connect(path.with_name("r.sqlite"))) as database:
        ((rows,),) = database.execute("SELECT count(*) FROM samples")
        kinds = [kind for (kind,) in database.execute("SELECT kind FROM events")]
    return rows, "run_finished" in kinds


@pytest.mark.parametrize("redirection", [">/dev/full 2>/dev/full", ">&- 2>&-", "2>&-", "| true", "2>&1 | true"])
def test_a_screen_that_accepts_nothing_changes_neither_rows_nor_exit_code(path: Path, redirection: str) -> None:
    command = f"{' '.join(RIGLOG)} record r.toml --duration 1 {redirection}"
    (path.parent / "r.toml").write_bytes(path.read_bytes())
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=path.parent, timeout=60, check=False)
    assert (done.returncode, stored(path)) == (0, (20, True))


def test_a_blocked_screen_delays_neither_the_recording_nor_its_end(path: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, bytes(4096))
    with recording(path, stdout=writing, stderr=writing) as process:
        wait_for_rows(path.with_name("r.sqlite"), 6)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert stored(path)[1]
    os.close(reading)
    os.close(writing)


def test_a_terminal_that_is_closed_ends_the_recording_in_order(path: Path) -> None:
    master, slave = os.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY

    command, streams = [*RIGLOG, "record", path.name], {"stdin": slave, "stdout": slave, "stderr": slave}
    with running(command, cwd=path.parent, preexec_fn=own_terminal, **streams) as process:
        os.close(slave)
        os.set_blocking(master, False)
        wait_for_rows(path.with_name("r.sqlite"), 6)
        os.close(master)
        assert process.wait(20) == 129
    assert stored(path)[1]


def test_started_with_nohup_a_recording_goes_on_without_its_terminal(path: Path) -> None:
    with ExitStack() as stack:
        ignore = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            silent = recording(path, "--duration", "3", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            process = stack.enter_context(silent)
        finally:
            signal.signal(signal.SIGHUP, ignore)
        wait_for_rows(path.with_name("r.sqlite"), 6)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
    assert stored(path) == (60, True)


def hostile_recording(path: Path) -> None:
    run = make_run()
    sample = Sample(channel=SERIAL, stamp=stamp(run, 0), value="\x1b[2J\x9b2J=1", unit="\x1b]0;owned\x07")
    event = Event(run.started_ns, EventKind.WRITE, "\x1b[2Jcleared", device="balance")

    async def write() -> None:
        sink = SqliteSink(path)
        await sink.open(run)
        await sink.write([Batch("bus", 0, [sample])], [event])
        await sink.aclose()

    anyio.run(write)


@pytest.mark.parametrize("command", ["export", "export --format jsonl", "export --wide", "events", "events --json"])
def test_a_recording_prints_no_control_characters_on_a_terminal(tmp_path: Path, command: str) -> None:
    hostile_recording(tmp_path / "r.sqlite")
    master, slave = os.openpty()
    name, *options = command.split()
    command_line = [*RIGLOG, name, "r.sqlite", *options]
    with running(command_line, cwd=tmp_path, stdout=slave, stderr=subprocess.DEVNULL) as process:
        assert process.wait(30) == 0
    os.close(slave)
    printed = b""
    with contextlib.suppress(OSError):  # the end of a pseudo-terminal
        while chunk := os.read(master, 65_536):
            printed += chunk
    os.close(master)
    text = printed.decode()
    assert "[2J" in text
    assert "\x1b[2J" not in text
    assert "\x1b]0;" not in text
    assert "\x9b" not in text
    assert "\x07" not in text


def test_a_result_that_cannot_be_printed_is_an_error(path: Path) -> None:
    assert riglog("record", path, "--duration", "0.5", cwd=path.parent).code == 0
    for command in ("gaps r.sqlite", "gaps r.sqlite --json", "export r.sqlite"):
        done = subprocess.run(
            ["bash", "-c", f"{' '.join(RIGLOG)} {command} >/dev/full"],
            cwd=path.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 4
        assert "cannot write to standard output" in done.stderr
        assert "Traceback" not in done.stderr
