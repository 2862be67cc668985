"""What riglog says when something is wrong: one line, with everything in it, and the exit code that scripts lean on."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import RIGLOG, Finished, riglog, simulated

from riglog.errors import ReplyTimeoutError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")

OVEN = '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:oven"\n'
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def errors(done: Finished) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("error: ")]


def rig(directory: Path, text: str) -> Path:
    path = directory / "rig.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["recrod"], 2, "No such command 'recrod'. Did you mean 'record'? - see `riglog --help`"),
        (["record"], 2, "Missing argument 'RIG'. - see `riglog record --help`"),
        (["record", "no.toml"], 2, "there is no such file (file no.toml) - check the path, or make one with"),
        (["record", "."], 2, "the file cannot be read: Is a directory (file .) - check path and permissions"),
        (["simulate", "watlow", "--tcp", "foo"], 2, "--tcp 'foo' is not HOST:PORT - write --tcp 127.0.0.1:4001"),
        (["simulate", "watlow", "--link", "no/such"], 2, "the link cannot be made: No such file or directory"),
        (["read", "watlow", "--port", "/dev/null"], 3, "this is no serial port (device watlow, port /dev/null) - "),
        (["read", "watlow", "--port", "tcp://127.0.0.1:1"], 3, "cannot connect: Connection refused (device watlow"),
        (["read", "watlow", "--port", "foo://x"], 2, "port 'foo://x' has an unknown scheme (device watlow, port"),
        (
            ["read", "watlow", "--port", "sim:x", "--address", "abc"],
            2,
            "option.address: 'abc' is not a whole number from 1 to 247 (device watlow)",
        ),
        (
            ["read", "watlow", "--port", "sim:x", "--option", "temperature_unit=K"],
            2,
            "option.temperature_unit: 'K' is not 'degC' or 'degF' (device watlow)",
        ),
        (["set", "watlow", "--port", "sim:x", "setpoint", "100"], 2, "was not confirmed (device watlow, port sim:x"),
        (["gaps", "no.sqlite"], 4, "there is no such file (path no.sqlite) - check the path"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_where_and_what_to_do(
    tmp_path: Path, arguments: list[str], code: int, line: str
) -> None:
    done = riglog(*arguments, cwd=tmp_path)
    assert done.code == code, done.err
    (told,) = done.err.splitlines()
    assert told.startswith("error: ")
    assert line in told


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (OVEN.replace("sim:oven", ""), ["device[0].port: '' is not the name of a port"]),
        (OVEN.replace("oven", "a[all]", 1), ["device[0].name: 'a[all]' is not a name: letters, digits, _ and -"]),
        (OVEN + 'baudrate = "fast"\n', ["device[0].baudrate: 'fast' is not a whole number from 50 to 4000000"]),
        (OVEN + "echo = 1\n", ["device[0].echo: 1 is not true or false"]),
        (OVEN.replace("sim:oven", "${NO_SUCH_PORT}"), ["the environment variable NO_SUCH_PORT is not set"]),
        ("[[device]\n", ["this is not TOML"]),
        (OVEN + "adress = 1\n[[sink]]\n", ["sink[0].type: is missing", "device[0].adress: unknown key"]),
    ],
)
def test_every_mistake_in_a_rig_file_is_one_line(tmp_path: Path, text: str, lines: list[str]) -> None:
    done = riglog("check", rig(tmp_path, text))
    assert done.code == 2
    assert len(done.err.splitlines()) == len(lines)
    for told, line in zip(done.err.splitlines(), lines, strict=True):
        assert line in told
        assert "rig.toml" in told


def test_nothing_is_cut_and_square_brackets_stay_on_a_narrow_terminal(tmp_path: Path) -> None:
    path = rig(tmp_path, OVEN + 'parameters = ["process_value", "alarm_state[2]"]\n')
    recorded = riglog("record", path, "--duration", "1s", cwd=tmp_path, COLUMNS="80")
    shown = [
        recorded,
        riglog("gaps", tmp_path / "run.sqlite", COLUMNS="80"),
        riglog("events", tmp_path / "run.sqlite", COLUMNS="80"),
        riglog("check", path, "--live", COLUMNS="80"),
        riglog("read", "watlow", "--port", "sim:x", "alarm_state[2]", COLUMNS="80"),
        riglog("plugins", COLUMNS="80"),
        riglog("--help", COLUMNS="80"),
    ]
    for done in shown:
        assert done.code == 0, done.err
        assert "…" not in done.out
        assert not re.search(r"^ .*\.\.\.$", done.out, re.MULTILINE)
    for done in (shown[0], shown[1], shown[3], shown[4]):
        assert "alarm_state[2]" in done.out


def test_in_a_pipe_every_row_is_one_line(tmp_path: Path) -> None:
    device = OVEN.replace("sim:oven", "sim:" + 100 * "x")
    path = rig(tmp_path, device)
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run([*RIGLOG, "check", path], capture_output=True, text=True, env=environment, check=True)
    assert re.search(r"oven +watlow +sim:x{100} +stdbus", done.stdout)


def test_a_run_or_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = rig(tmp_path, OVEN)
    assert riglog("record", path, "--duration", "1s", cwd=tmp_path).code == 0
    for question in (["gaps", "--run", "x"], ["gaps", "--device", "x"], ["events", "--run", "x"]):
        done = riglog(*question, tmp_path / "run.sqlite")
        assert done.code == 2
        assert "the file has nothing of that name" in done.err


def test_what_may_not_be_read_or_written_has_the_exit_code_of_what_it_is(tmp_path: Path) -> None:
    if WITHOUT_PRIVILEGE and subprocess.run([*WITHOUT_PRIVILEGE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root, and cannot give up its privilege")
    path = rig(tmp_path, OVEN)
    riglog("record", path, "--duration", "1s", cwd=tmp_path)
    recording, closed = tmp_path / "run.sqlite", tmp_path / "closed"
    recording.chmod(0)
    closed.mkdir(mode=0o555)
    for arguments, code, words in (
        (["gaps", recording], 4, "Permission denied"),
        (["export", recording], 4, "Permission denied"),
        (["record", path, "--out", recording], 4, "Permission denied"),
        (["record", path, "--out", closed / "x.sqlite"], 4, "permission denied"),
        (["simulate", "watlow", "--link", closed / "port"], 2, "Permission denied"),
    ):
        done = _unprivileged(*arguments)
        assert done.code == code, done.err
        (told,) = errors(done)
        assert words in told


def _unprivileged(*arguments: object) -> Finished:
    command = [*WITHOUT_PRIVILEGE, sys.executable, "-m", "riglog", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)


def test_garbage_on_the_line_is_told_apart_from_silence(tmp_path: Path) -> None:
    with simulated("watlow", "--fault", "corrupt=1", "--seed", 1, "--link", tmp_path / "bus") as ready:
        garbled = riglog("read", "watlow", "--port", ready["port"], "--option", "timeout=0.2")
        silent = riglog("read", "watlow", "--port", ready["port"], "--address", 5, "--option", "timeout=0.2")
    assert garbled.code == silent.code == 3
    assert "no reply in time; what came answers nothing (device watlow" in errors(garbled)[0]
    assert "check baud rate, parity and protocol" in errors(garbled)[0]
    assert "no reply in time (device watlow" in errors(silent)[0]
    assert "check power, wiring, address" in errors(silent)[0]


def test_a_long_reply_is_shown_by_its_beginning_and_kept_whole() -> None:
    error = ReplyTimeoutError("no reply in time", reply=bytes(100))
    assert str(error).endswith("00 … 100 bytes)")
    assert error.context["reply"] == bytes(100)


def test_a_locked_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = rig(tmp_path, OVEN)
    riglog("record", path, "--duration", "1s", cwd=tmp_path)
    database = sqlite3.connect(tmp_path / "run.sqlite")
    database.execute("BEGIN IMMEDIATE")
    done = riglog("record", path, "--duration", "1s", cwd=tmp_path)
    database.close()
    assert done.code == 4
    assert "the database is locked by another program" in errors(done)[0]
    assert "not all of them are stored" in done.out
