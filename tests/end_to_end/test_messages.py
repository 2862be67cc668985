"""Error messages: one line each with place, cause and next step, as listed in docs/reference/messages.md."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from terminal import RIGLOG, Finished, end, riglog, simulated, started, wait_for_rows
from wording import listed, pattern

from riglog.errors import ReplyTimeoutError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")]

OVEN = '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:oven"\n'
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def errors(done: Finished) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("error: ")]


def rig(directory: Path, text: str) -> Path:
    path = directory / "rig.toml"
    path.write_text(text)
    return path


def error_line(done: Finished, code: int, words: list[str]) -> str:
    """Return the only line of an error that has this exit code and these words."""
    assert done.code == code, done.err
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    return line


def is_listed(line: str) -> bool:
    """True if docs/reference/messages.md has this message with this next step."""
    for row in listed():
        for hint in row.hints:
            context = r"( [\[(].*[\])])?"
            next_step = "" if hint == "–" else rf"\.? {pattern(hint).pattern}[.]?"
            if re.search(f"{pattern(row.message).pattern}{context}{next_step}$", line):
                return True
    return False


PORT = ["read", "watlow", "--port"]
LISTED: list[tuple[list[str], int, list[str]]] = [
    (["recrod"], 2, ["unknown command 'recrod'. Did you mean 'record'? See `riglog --help`."]),
    (
        ["record", "no.toml"],
        2,
        ["no.toml", "file not found", "Check the path, or create the file with `riglog discover"],
    ),
    (["record", "."], 2, ["cannot read the file: Is a directory"]),
    (["check", "old.sqlite"], 2, ["old.sqlite", "this is an SQLite recording, not a rig file", "rig.toml"]),
    (["check", "latin.toml"], 2, ["latin.toml", "not valid UTF-8 text (byte 0)", "Save the file as UTF-8."]),
    (["read", "watlow"], 2, ["--port: missing", "Give the port of the device, for example --port /dev/ttyUSB0."]),
    ([*PORT, "sim:x", "--option", "nonsense"], 2, ["--option: invalid value 'nonsense'; expected KEY=VALUE"]),
    (
        [*PORT, "/dev/riglog-none"],
        3,
        ["watlow", "/dev/riglog-none", "port not found", "Check that the adapter is plugged in"],
    ),
    (
        [*PORT, "usb:none"],
        3,
        ["usb:none", "USB adapter with this serial number not found", "USB serial adapters found: "],
    ),
    ([*PORT, "/dev/null"], 3, ["watlow", "/dev/null", "not a serial port", "Check the path"]),
    (
        [*PORT, "tcp://127.0.0.1:1"],
        3,
        ["tcp://127.0.0.1:1", "cannot connect: Connection refused", "Check host address"],
    ),
    ([*PORT, " "], 2, ["invalid port name: empty, or contains a NUL character", "Use a device path"]),
    ([*PORT, "usb:"], 2, ["usb:", "invalid port name: nothing follows usb:"]),
    (
        [*PORT, "foo://x"],
        2,
        ["watlow", "foo://x", "invalid port name: unknown scheme", "Available schemes: tcp, rfc2217, sim, usb."],
    ),
    ([*PORT, "tcp://host"], 2, ["tcp://host", "invalid port name: expected tcp://HOST:PORT"]),
    ([*PORT, "tcp://host:99999"], 2, ["tcp://host:99999", "invalid port name: Port out of range 0-65535"]),
    (["set", "watlow", "--port", "sim:x", "setpoint", "1"], 2, ["setting setpoint changes the instrument"]),
    (["simulate", "watlow", "--tcp", "foo"], 2, ["--tcp: invalid value 'foo'; expected HOST:PORT", "For example"]),
    (["simulate", "watlow", "--tcp", "192.0.2.1:4001"], 2, ["cannot listen on 192.0.2.1:4001"]),
    (
        ["simulate", "watlow", "--fault", "explode=1"],
        2,
        ["--fault: invalid value 'explode=1'; expected KIND=RATE", "Faults: "],
    ),
    (["simulate", "watlow", "--fault", "drop=2"], 2, ["--fault: rate of 'drop=2' is outside 0 to 1"]),
    (["simulate", "watlow", "--link", "latin.toml"], 2, ["--link: path exists and is not the link of a simulator"]),
    (["simulate", "watlow", "--link", "no/such"], 2, ["--link: cannot create the symbolic link: No such file or dir"]),
    (["discover", "--write", "latin.toml"], 2, ["latin.toml", "file exists and was not overwritten"]),
    (["export", "no.sqlite", "--format", "parquet"], 2, ["parquet cannot be written to standard output"]),
    (["gaps", "."], 4, ["path is a directory. Give the name of a file in it."]),
    (["gaps", "no.sqlite"], 4, ["no.sqlite", "file not found. Check the path."]),
    (["export", "latin.toml"], 4, ["latin.toml", "file exists and is not an SQLite database. Give a riglog"]),
    (["export", "no.sqlite", "--from", "yesterday"], 2, ["invalid time 'yesterday'. Use ISO 8601, for example"]),
    (["export", "no.sqlite", "--every", "1"], 2, ["--every needs --wide"]),
    (["demo", "--out", "latin.toml"], 4, ["latin.toml", "file exists and is not an SQLite database. Use another file"]),
    (["demo", "--out", "."], 4, ["path is a directory. Give the name of a file in it."]),
    (["demo", "--out", "no/x.sqlite"], 4, ["no/x.sqlite", "directory not found. Create it: mkdir -p no."]),
    (
        ["forward", "no.sqlite", "--to", "mysql://x"],
        2,
        ["this is not a PostgreSQL database; no other kind can be used. Use postgresql://"],
    ),
    (["demo", "--duration", "soon"], 2, ["--duration: invalid duration 'soon'", "Use seconds or d/h/m/s"]),
    (["demo", "--duration", "0"], 2, ["--duration: invalid duration '0'; expected a finite time greater than 0"]),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    LISTED,
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_listed_line_with_place_cause_and_next_step(
    tmp_path: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    (tmp_path / "old.sqlite").write_bytes(b"SQLite format 3\0\xff")
    done = riglog(*arguments, cwd=tmp_path)
    assert is_listed(error_line(done, code, words))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["record"], 2, ["Missing argument 'RIG'. See `riglog record --help`."]),
        (
            [*PORT, "sim:x", "--address", "abc"],
            2,
            ["watlow", "option.address: ", "'abc'", "whole number from 1 to 247"],
        ),
        (
            [*PORT, "sim:x", "--option", "temperature_unit=K"],
            2,
            ["option.temperature_unit: ", "'K'", "'degC' or 'degF'"],
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], code: int, words: list[str]) -> None:
    done = riglog(*arguments, cwd=tmp_path)
    error_line(done, code, words)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (OVEN.replace("sim:oven", "${NO_SUCH_PORT}"), ["device.port: environment variable NO_SUCH_PORT is not set"]),
        ("[[device]\n", ["invalid TOML"]),
        ("x = " + "[" * 20_000, ["not a rig file: arrays nested too deeply"]),
        ("[runs]\n" + OVEN, ["runs: unknown table|Did you mean 'run'?"]),
        ("[zebra]\n" + OVEN, ["zebra: unknown table|Available tables: run, sink, ports, device, "]),
        (OVEN.replace("[[device]]", "[device]"), ["device: must be a table [[device]]"]),
        ('[ports]\nbus = "/dev/null"\n' + OVEN, ["ports.bus: must be a table [ports.bus]"]),
        ("[ports.bus]\nbaudrate = 9600\n" + OVEN.replace("sim:oven", "bus"), ["ports.bus.device: missing"]),
        (
            '[ports.bus]\ndevice = "sim:x"\nbaudrate = 9600\n' + OVEN.replace("sim:oven", "bus") + "baudrate = 19200\n",
            ["ports.bus.baudrate: 9600 here, 19200 in the [[device]] table"],
        ),
        ("[[sink]]\n" + OVEN, ['sink 1.type: missing|Add type = "sqlite".']),
        ('[[sink]]\ntype = "csv"\npath = "x"\n' * 2 + OVEN, ["sink.path: 'x' is used by two sinks"]),
        (OVEN + OVEN.replace("sim:oven", "sim:kiln"), ["duplicate device name 'oven'"]),
        ('[run]\nduration = "soon"\n' + OVEN, ["run.duration: invalid duration 'soon'"]),
    ],
)
def test_every_mistake_in_a_rig_file_is_one_listed_line(tmp_path: Path, text: str, lines: list[str]) -> None:
    done = riglog("check", rig(tmp_path, text))
    assert done.code == 2
    assert len(done.err.splitlines()) == len(lines)
    for line, words in zip(done.err.splitlines(), lines, strict=True):
        for word in [*words.split("|"), "rig.toml"]:
            assert word in line
        assert is_listed(line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OVEN.replace("sim:oven", ""), ["device.port: invalid value ''; expected a port name"]),
        (OVEN.replace("oven", "a[all]", 1), ["device.name: ", "'a[all]'", "letters, digits, _ and -"]),
        (OVEN + 'baudrate = "fast"\n', ["device.baudrate: ", "'fast'", "whole number from 50 to 4000000"]),
        (OVEN + "echo = 1\n", ["device.echo: ", "1", "true or false"]),
        (OVEN + "adress = 1\n", ["device.adress: unknown key", "id you mean 'address'?"]),
    ],
)
def test_every_wrong_key_is_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    done = riglog("check", rig(tmp_path, text))
    assert done.code == 2
    (line,) = done.err.splitlines()
    for word in [*words, "rig.toml"]:
        assert word in line


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


def test_a_filter_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    path = rig(tmp_path, OVEN)
    assert riglog("record", path, "--duration", "1s", cwd=tmp_path).code == 0
    for question in (["gaps", "--run", "x"], ["gaps", "--device", "x"], ["events", "--run", "x"]):
        done = riglog(*question, tmp_path / "run.sqlite")
        assert done.code == 2
        assert f"no {question[1].removeprefix('--')} 'x' in the recording" in done.err
        assert is_listed(done.err.strip())


def test_missing_permission_has_the_exit_code_of_its_kind(tmp_path: Path) -> None:
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
        (line,) = errors(done)
        assert words in line


def _unprivileged(*arguments: object) -> Finished:
    command = [*WITHOUT_PRIVILEGE, sys.executable, "-m", "riglog", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)


def test_garbage_on_the_line_and_no_reply_are_different_errors(tmp_path: Path) -> None:
    with simulated("watlow", "--fault", "corrupt=1", "--seed", 1, "--link", tmp_path / "bus") as ready:
        garbled = riglog("read", "watlow", "--port", ready["port"], "--option", "timeout=0.2")
        absent = riglog("read", "watlow", "--port", ready["port"], "--address", 5, "--option", "timeout=0.2")
    assert garbled.code == absent.code == 3
    assert re.search("no reply in time; what came|no valid reply", errors(garbled)[0])
    assert "heck baud rate, parity and protocol" in errors(garbled)[0]
    assert "no reply" in errors(absent)[0]
    assert "heck power, wiring, address" in errors(absent)[0]


def test_a_long_reply_is_shown_by_its_beginning_and_kept_whole() -> None:
    error = ReplyTimeoutError("no reply in time", reply=bytes(100))
    assert str(error).endswith("00 … (100 bytes)]")
    assert error.context["reply"] == bytes(100)


def test_a_locked_database_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    path = rig(tmp_path, OVEN)
    riglog("record", path, "--duration", "1s", cwd=tmp_path)
    with locked(tmp_path / "run.sqlite"):
        done = riglog("record", path, "--duration", "1s", cwd=tmp_path)
    line = error_line(done, 4, ["database locked by another program. Close it in the other program."])
    assert line.startswith("error: run.sqlite: ")
    assert done.out == ""  # nothing was recorded, so there is no summary


def test_a_database_that_is_locked_during_a_recording_loses_rows_with_a_message(tmp_path: Path) -> None:
    path, stored = rig(tmp_path, OVEN), tmp_path / "run.sqlite"
    with started("record", path, cwd=tmp_path) as process:
        wait_for_rows(stored)
        with locked(stored):
            done = end(process)
        assert done.code == 4
        assert "database locked by another program" in errors(done)[0]
        assert "not all rows were stored" in done.out


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a database while the block runs."""
    database = sqlite3.connect(path)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()
