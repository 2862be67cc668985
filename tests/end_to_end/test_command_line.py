"""riglog as a user runs it: its commands, what they print, and their exit codes."""

import json
import os
import re
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from terminal import end, rig, riglog, simulated, started, unprivileged

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")]

OVEN: dict[str, Any] = {"name": "oven", "driver": "watlow", "protocol": "stdbus"}
ROW = re.findall(
    r"\w+",
    "tick device driver protocol address parameter parameter_id instance value text unit status flags error"
    " requested_at received_at midpoint_at latency_s monotonic_ns",
)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def wait_for(path: Path) -> None:
    """Wait until another process has created a file."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_demo_records_every_vendor_and_the_query_it_prints_runs_on_its_file(tmp_path: Path) -> None:
    done = riglog("demo", "--duration", "1s", cwd=tmp_path)
    assert done.code == 0, done.err
    question = "SELECT device, parameter, AVG(value) FROM samples GROUP BY device, parameter"
    assert question in done.out
    answers = query(tmp_path / "riglog-demo.sqlite", question)
    assert {"oven-1", "oven-2", "kiln"} <= {device for device, _, _ in answers}
    assert all(value is not None for _, parameter, value in answers if parameter == "process_value")


def test_the_demo_run_again_adds_to_its_file(tmp_path: Path) -> None:
    first = riglog("demo", "--duration", "1s", "--json", "--out", "d.sqlite", cwd=tmp_path).json
    second = riglog("demo", "--duration", "1s", "--json", "--out", "d.sqlite", cwd=tmp_path).json
    rows = dict(query(tmp_path / "d.sqlite", "SELECT run, count(*) FROM samples GROUP BY run"))
    assert rows == {first["run"]: first["samples"], second["run"]: second["samples"]}


def test_a_simulated_bus_is_read_and_recorded_by_other_processes(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus", "--address", 1, "--address", 2) as ready:
        assert ready == {"port": str(tmp_path / "bus"), "driver": "watlow", "protocol": "stdbus", "addresses": [1, 2]}
        read = riglog(
            "read", "watlow", "--port", ready["port"], "--address", 2, "--json", "process_value", "control_mode"
        )
        assert read.code == 0, read.err
        assert [list(row) for row in read.json] == [ROW, ROW]
        value, mode = read.json
        assert (value["parameter"], value["unit"], value["address"]) == ("process_value", "degF", 2)
        assert (mode["value"], mode["text"]) == (10, "Auto")

        devices = [OVEN | {"name": f"oven-{n}", "port": ready["port"], "address": n} for n in (1, 2)]
        path = rig(tmp_path, *devices, rate_hz=10)
        assert riglog("check", path).code == 0
        assert riglog("check", path, "--live", "--json").json[1]["values"]["oven-2.setpoint"] == "75 degF"
        done = riglog("record", path, "--duration", "2s", "--out", tmp_path / "out.sqlite", "--json")
        assert done.code == 0, done.err
        summary = done.json
        assert (summary["slots_polled"], summary["samples_missing_or_skipped"], summary["samples"]) == (20, 0, 120)
        count = query(tmp_path / "out.sqlite", "SELECT count(*), count(DISTINCT tick), sum(value IS NULL) FROM samples")
        assert count == [(120, 20, 0)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_recording_is_closed_cleanly_and_keeps_everything(
    tmp_path: Path, number: int, code: int
) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        path = rig(tmp_path, OVEN | {"port": ready["port"]}, rate_hz=20, flush_interval=30.0)
        with started("record", path, "--out", tmp_path / "out.sqlite", "--json") as process:
            wait_for(tmp_path / "out.sqlite")
            time.sleep(1.2)  # a user who presses Ctrl-C at some moment
            done = end(process, number)
    assert done.code == code, done.err

    summary = done.json
    assert query(tmp_path / "out.sqlite", "SELECT count(*) FROM samples") == [(summary["samples"],)]
    assert query(tmp_path / "out.sqlite", "PRAGMA integrity_check") == [("ok",)]
    assert not (tmp_path / "out.sqlite-wal").exists()


def test_faults_on_the_line_are_visible_gaps_and_an_exit_code(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus", "--fault", "drop=0.1", "--seed", 4) as ready:
        path = rig(tmp_path, OVEN | {"port": ready["port"]}, rate_hz=10)
        done = riglog("record", path, "--duration", "3s", "--max-gap", "0.3", "--json", "--out", tmp_path / "o.sqlite")
    assert done.code == 1, done.err
    summary = done.json
    assert summary["samples"] == 90  # every due slot of every channel
    reasons = query(tmp_path / "o.sqlite", "SELECT count(*) FROM samples WHERE value IS NULL AND error IS NOT NULL")
    assert reasons[0][0] == summary["samples_missing_or_skipped"] > 0
    longest = max(summary["channels"], key=lambda channel: channel["longest_gap_s"])
    assert summary["longest_gap_channel"] == f"{longest['device']}.{longest['parameter']}"
    assert f"warning: {summary['longest_gap_channel']}: longest gap" in done.err


def test_plugins_lists_what_is_installed() -> None:
    listed = riglog("plugins", "--json").json
    (watlow,) = [plugin for plugin in listed["plugins"] if plugin["name"] == "watlow"]
    assert watlow == {
        "name": "watlow",
        "distribution": "riglog-watlow",
        "version": "0.1.0",
        "state": "loaded",
        "problem": None,
        "warning": None,
    }
    assert "sqlite" in {sink["name"] for sink in listed["sinks"]}
    assert "riglog-watlow" in riglog("plugins").out


@pytest.mark.parametrize(
    "arguments", [["plugins"], ["plugins", "--json"], ["read", "watlow", "--port", "sim:x", "--json"]]
)
def test_a_closed_pipe_is_not_an_error(arguments: list[str]) -> None:
    with started(*arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


DEVICE = OVEN | {"port": "/dev/riglog-no-such-port"}


@pytest.mark.parametrize(
    ("device", "code", "words"),
    [
        (DEVICE | {"driver": "watlo"}, 2, ["unknown driver 'watlo'", "Did you mean 'watlow'?"]),
        (DEVICE | {"adress": 2}, 2, ["device.adress: unknown key", "Did you mean 'address'?"]),
        (DEVICE | {"address": 17}, 2, ["address", "17"]),
        (DEVICE | {"parameters": ["proces_value"]}, 2, ["proces_value", "process_value"]),
        (DEVICE, 3, ["port not found", "oven", "/dev/riglog-no-such-port", "riglog discover"]),
        (DEVICE | {"port": "tcp://127.0.0.1:1"}, 3, ["cannot connect", "tcp://127.0.0.1:1"]),
    ],
)
def test_bad_input_is_one_clear_error_and_touches_nothing(
    tmp_path: Path, device: dict[str, Any], code: int, words: list[str]
) -> None:
    done = riglog("record", rig(tmp_path, device), "--duration", "1s", "--out", tmp_path / "o.sqlite")
    assert done.code == code
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert not (tmp_path / "o.sqlite").exists()


def test_a_device_that_does_not_respond_and_a_port_in_use_are_different_errors(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus", "--address", 1) as ready:
        absent = riglog("read", "watlow", "--port", ready["port"], "--address", 5)
        assert absent.code == 3
        assert "no reply" in absent.err
        assert "heck power, wiring, address" in absent.err
        path = rig(tmp_path, OVEN | {"port": ready["port"]}, rate_hz=10)
        with started("record", path, "--out", tmp_path / "one.sqlite"):
            wait_for(tmp_path / "one.sqlite")  # then the port is open
            busy = riglog("read", "watlow", "--port", ready["port"])
        assert busy.code == 3
        assert "in use by another program" in busy.err


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's rights away as Linux can")
def test_a_port_without_permission_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        os.chmod(ready["port"], 0)
        done = unprivileged("read", "watlow", "--port", ready["port"])
    assert done.code == 3
    assert "permission denied" in done.err
    assert ready["port"] in done.err
    assert "dialout" in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's rights away as Linux can")
def test_a_recording_without_permission_is_an_error_before_a_port_is_opened(tmp_path: Path) -> None:
    riglog("demo", "--duration", "1s", "--out", "secret.sqlite", cwd=tmp_path)
    path = rig(tmp_path, OVEN | {"port": "/dev/null"})
    for mode in (0o000, 0o400):
        (tmp_path / "secret.sqlite").chmod(mode)
        done = unprivileged("record", path, "--out", tmp_path / "secret.sqlite")
        assert done.code == 4
        assert "ermission denied" in done.err
        assert "secret.sqlite" in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"my precious notes", "file exists and is not an SQLite database. "),
        (b"SQLite format 3\0" + b"\0" * 200, "another program"),
    ],
)
def test_a_file_that_is_not_a_recording_is_not_modified(tmp_path: Path, content: bytes, words: str) -> None:
    precious = tmp_path / "precious.sqlite"
    precious.write_bytes(content)
    done = riglog("record", rig(tmp_path, OVEN | {"port": "/dev/null"}), "--out", precious, "--duration", "1s")
    assert done.code == 4
    assert words in done.err
    assert precious.read_bytes() == content


def test_a_newer_recording_is_not_modified(tmp_path: Path) -> None:
    riglog("demo", "--duration", "1s", "--out", "new.sqlite", cwd=tmp_path)
    database = sqlite3.connect(tmp_path / "new.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = (tmp_path / "new.sqlite").read_bytes()
    done = riglog("demo", "--duration", "1s", "--out", "new.sqlite", cwd=tmp_path)
    assert done.code == 4
    assert "schema version 99 is newer than this riglog supports (2)" in done.err
    assert (tmp_path / "new.sqlite").read_bytes() == before


def test_a_missing_directory_is_a_storage_error(tmp_path: Path) -> None:
    done = riglog("demo", "--duration", "1s", "--out", tmp_path / "no" / "such" / "out.sqlite")
    assert done.code == 4
    assert "mkdir -p" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recrod"], "Did you mean 'record'?"),
        (["record"], "Missing argument 'RIG'"),
        (["record", "no-such.toml"], "file not found"),
        (["simulate", "watlow", "--fault", "explode=1"], "KIND=RATE"),
        (["simulate", "watlow", "--address", "99"], "address"),
        (["read", "watlow", "--port", "sim:x", "--option", "nonsense"], "KEY=VALUE"),
        (["demo", "--duration", "soon"], "--duration: invalid duration 'soon'"),
    ],
)
def test_wrong_usage_exits_with_two_and_names_the_correct_usage(arguments: list[str], words: str) -> None:
    done = riglog(*arguments)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_live_check_reports_every_device_that_does_not_respond(tmp_path: Path) -> None:
    devices = [OVEN | {"name": name, "port": f"/dev/riglog-no-{name}"} for name in ("oven", "kiln")]
    done = riglog("check", rig(tmp_path, *devices), "--live")
    assert done.code == 3
    oven, first, kiln, second, result = done.err.splitlines()
    assert oven.endswith("(1 of 2)")
    assert first.startswith("error: oven ")
    assert kiln.endswith("(2 of 2)")
    assert second.startswith("error: kiln ")
    assert result.startswith("failed: ")
    assert result.endswith("2 of 2 devices cannot be read")


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_readings_are_printed_when_they_are_taken_and_ctrl_c_keeps_them(more: list[str]) -> None:
    arguments = ["read", "watlow", "--port", "sim:a", "setpoint", "--repeat", 1000, "--interval", 0.2, *more]
    with started(*arguments) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while sum("75" in line for line in lines) < 2:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        printed = "".join([*lines, process.stdout.read()])
        assert process.wait(20) == 130
    if more:
        assert {reading["value"] for reading in json.loads(printed)} == {75.0}
    else:
        assert len(re.findall(r"^\S+ \S+ +setpoint +75 +degF +ok *$", printed, re.MULTILINE)) >= 2
