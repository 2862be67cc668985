"""``info``, ``runs``, ``tail`` and ``watch`` as somebody types them, on a pipe and on a terminal."""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from processes import running
from recorded import WARM, make_run, sqlite_recording, steady, store

from riglog.sinks import SqliteSink

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looking") / "bench.sqlite"
    anyio.run(lambda: sqlite_recording(path, make_run(number=1), make_run("other", number=2)))
    return path


def riglog(*arguments: object) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-m", "riglog", *map(str, arguments)]
    environment = os.environ | {"TZ": "CET-1"}
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_info_shows_runs_and_newest_values_in_local_time(recording: Path) -> None:
    done = riglog("info", recording)
    assert done.returncode == 0
    assert "bench.sqlite: sqlite, schema 2," in done.stdout.splitlines()[0]
    assert "38 rows, 2 runs" in done.stdout.splitlines()[0]
    assert "2026-11-20 13:00:00 +01:00" in done.stdout  # of slot 0, by the event
    assert "received 2026-11-20 +01:00" in done.stdout
    found = json.loads(riglog("info", recording, "--json").stdout)
    assert [run["rows"] for run in found["runs"]] == [19, 19]
    assert found["latest"][0]["received_at"].endswith("Z")


def test_runs_lists_the_runs(recording: Path) -> None:
    assert [run["run"] for run in json.loads(riglog("runs", recording, "--json").stdout)] == [
        "bench.0001",
        "other.0002",
    ]
    assert "other.0002" in riglog("runs", recording).stdout


def test_events_have_local_times_with_the_offset_in_the_heading(recording: Path) -> None:
    lines = riglog("events", recording, "--run", "bench").stdout.splitlines()
    assert lines[0].startswith("time (+01:00)")
    assert lines[2].startswith("2026-11-20 13:00:00.123")


def test_tail_prints_the_newest_rows(recording: Path) -> None:
    lines = riglog("tail", recording, "-n", "3").stdout.splitlines()
    assert len(lines) == 3
    assert len(json.loads(riglog("tail", recording, "-n", "3", "--json").stdout)) == 3
    refused = riglog("tail", recording, "--follow", "--json")
    assert (refused.returncode, "cannot be combined" in refused.stderr) == (2, True)


def test_tail_follows_a_recording_that_grows(tmp_path: Path) -> None:
    path, run = tmp_path / "bench.sqlite", make_run()
    batches = list(steady(run, [WARM], 6))
    anyio.run(store, SqliteSink(path), run, batches[:3])
    command = [sys.executable, "-m", "riglog", "tail", path, "-f", "-n", "1"]
    with running(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline()]
        anyio.run(store, SqliteSink(path), run, batches[3:])
        lines += [program.stdout.readline() for _ in range(3)]
    assert len(set(lines)) == 4  # no row twice


def test_watch_prints_one_screen_into_a_pipe(recording: Path) -> None:
    done = riglog("watch", recording)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "control_mode" in done.stdout


def printed_until(terminal: int, end: float) -> bytes:
    """Return what a program prints next; not after ``end``, however much it prints."""
    assert time.monotonic() < end, "the program prints something else"
    assert select.select([terminal], [], [], 60)[0], "the program prints nothing"
    return os.read(terminal, 65536)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_watch_on_a_terminal_scrolls_and_ends_with_q_and_restores_it(recording: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    pid, terminal = pty.fork()
    if not pid:
        os.execve(
            sys.executable, [sys.executable, "-m", "riglog", "watch", str(recording)], {**os.environ, "TERM": "xterm"}
        )
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
    before = termios.tcgetattr(terminal)
    seen, end = b"", time.monotonic() + 60
    for key, wanted in ((b"\x1b[6~", b"q: quit"), (b"q", b"channels ")):
        while wanted not in seen:
            seen += printed_until(terminal, end)
        os.write(terminal, key)
        time.sleep(0.1)
    try:
        while data := printed_until(terminal, end):
            seen += data
            after = termios.tcgetattr(terminal)
    except OSError:  # the program has ended
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert after[3] == before[3]
    assert b"\x1b[?1049l" in seen  # the screen before is shown again
    os.close(terminal)


@pytest.mark.parametrize("command", ["info", "runs", "tail", "watch"])
def test_what_is_no_recording_is_refused(command: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused = riglog(command, tmp_path / "notes.txt")
    assert (refused.returncode, "not a riglog recording" in refused.stderr) == (4, True)
    assert riglog(command, tmp_path / "missing.sqlite").returncode == 4


def test_a_list_that_is_empty_is_no_empty_table(recording: Path) -> None:
    alarms, notes = riglog("alarms", "list", recording), riglog("note", recording)
    assert (alarms.stdout, notes.stdout) == ("", "")
    assert alarms.stderr == "no alarm: the rig file of this run has none\n"
    assert "no note; write one: riglog note" in notes.stderr


def test_who_reads_a_recording_as_if_it_was_an_instrument_is_told_how(recording: Path) -> None:
    refused = riglog("read", recording)
    assert refused.returncode == 2
    assert "this is a file, not a driver. Print a recording with riglog tail or riglog export." in refused.stderr
