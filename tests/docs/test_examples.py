"""The tutorial, the how-to pages and the examples run exactly as they are printed."""

import csv
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from terminal import riglog, simulated

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")]

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


INSTRUMENTS = sorted((ROOT / "docs" / "instruments").glob("*.md"))

COUNT = '$(sqlite3 tutorial.sqlite "SELECT count(*) FROM samples")'
"""The rows of the tutorial's recording, as a shell substitutes them."""

RESTORED = """$(sqlite3 tutorial.sqlite "SELECT count(*) FROM events WHERE kind = 'port_restored'")"""

ROWS = f"until [ {COUNT} -gt $((rows + 20)) ]; do kill -0 $recording; sleep 0.1; done"

PLUGGED = f"until [ {RESTORED} -ge 1 ]; do kill -0 $recording; sleep 0.1; done"


def as_script(shell: str) -> str:
    """Return the commands as a user types them, who looks at the screen instead of the clock.

    The next line comes when the simulator before it is ready, the recording has stored rows, the connection is
    restored, or the recording that was stopped has ended.
    """
    for written, typed in (
        (r"^(riglog simulate .*--link (\S+).*&)$", r"\1\nuntil [ -e \2 ]; do kill -0 $!; sleep 0.05; done"),
        (r"^(riglog record .*&)$", rf"rows={COUNT}\n\1"),
        (r"^kill \$oven$", rf"{ROWS}\nkill $oven"),
        (r"^kill \$recording$", rf"{PLUGGED}\n{ROWS}\nkill $recording"),
        (r"^wait \$recording$", "wait $recording || true"),  # its exit code is that of the signal
    ):
        shell = re.sub(written, typed, shell, flags=re.MULTILINE)
    return shell


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(blocks(TUTORIAL, "toml")[0])
    commands = [block for block in blocks(TUTORIAL, "sh") if "pip install" not in block]
    script = "\n".join(["set -eu", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT", *map(as_script, commands)])
    (tmp_path / "bin").mkdir()
    for name in ("riglog", "sqlite3"):
        (tmp_path / "bin" / name).write_text(PROGRAMS[name])
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ok: rig.toml: 3 devices, all devices respond" in done.stderr
    assert "connection restored" in done.stderr
    assert re.search(r"oven\.setpoint +[\d.]+ s +\d+ +connection lost", done.stdout)
    assert re.search(r"balance\|net\|g\|\d+\|\d+", done.stdout)
    (screen,) = re.findall(r"^device +channel .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert screen in done.stdout  # of riglog watch
    with closing(sqlite3.connect(tmp_path / "tutorial.sqlite")) as recording:
        (first, second) = recording.execute("SELECT run, count(*) FROM samples GROUP BY run ORDER BY run").fetchall()
        resumed = recording.execute("SELECT run, at FROM events WHERE kind = 'run_resumed'").fetchall()
        assert [run for run, _ in resumed] == [second[0]]
        (after,) = recording.execute(
            "SELECT count(value) FROM samples WHERE received_at > ?", resumed[0][1:]
        ).fetchone()
    assert first[1] > 4 * 2 * 4  # ten rows a second from the balance alone
    assert after > 0
    header = next(csv.reader((tmp_path / "tutorial.csv").read_text(encoding="utf-8").splitlines()))
    assert header[:2] == ["run", "time"]
    assert "oven.process_value[1] [degC]" in header


PROGRAMS = {
    "riglog": f'#!/bin/sh\nexec "{sys.executable}" -m riglog "$@"\n',
    "sqlite3": f"""#!{sys.executable}
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]):
    print(*row, sep="|")
""",
}


def test_the_mixed_rig_records_all_three_vendors(tmp_path: Path) -> None:
    done = riglog("record", ROOT / "examples" / "mixed-rig.toml", "--duration", "3s", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert {channel["device"] for channel in done.json["channels"]} == {
        "kiln",
        "stack_gas",
        "oven",
        "glovebox",
        "balance",
    }
    assert done.json["samples_missing_or_skipped"] == 0
    assert len((tmp_path / "mixed.csv").read_text(encoding="utf-8").splitlines()) == done.json["samples"] + 1


def test_the_example_in_python_records_and_reads_back(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "record_and_read.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert re.search(r"^oven\.process_value \[degC\]: \d+\.\d\d$", done.stdout, re.MULTILINE)
    assert re.search(r"^balance\.net \[g\]: 326\.\d\d$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("program", "arguments", "printed"),
    [
        ("one_controller.py", ["1"], r"Identity\(.*\nprocess_value [\d.]+ degF\nsetpoint 75\.0 degF\n"),
        (
            "three_controllers.py",
            ["three.sqlite", "1"],
            r"oven [\d.]+\nkiln .*\ndryer .*\n12 samples, 0 slots late, 0 ",
        ),
        (
            "blocking_script.py",
            ["script.sqlite", "1"],
            r"set point 23\.8\d+ degC\n20 samples, \d+ missing or skipped\n",
        ),
        ("in_a_notebook.py", [], r"<.*oven.*>\n(.* ok\n){3}15 samples\n\d\d\.\d\d to \d\d\.\d\d\n"),
        ("several_threads.py", ["threads.sqlite", "1"], r"\['kiln', 'oven'\] 30 samples\n"),
    ],
)
def test_the_usual_programs_run(tmp_path: Path, program: str, arguments: list[str], printed: str) -> None:
    command = [sys.executable, ROOT / "examples" / program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert re.match(printed, done.stdout), done.stdout


def test_the_rig_file_of_the_readme_is_valid(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(blocks((ROOT / "README.md").read_text(encoding="utf-8"), "toml")[0])
    assert riglog("check", tmp_path / "rig.toml").code == 0


@pytest.mark.parametrize("page", ["set-alarms.md", "derive-channels.md"])
def test_the_tables_of_the_how_to_pages_are_valid_in_a_rig_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    rig = '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:oven"\n'
    rig += '[[device]]\nname = "scale"\ndriver = "sartorius"\nport = "sim:scale"\n'
    tables = blocks((ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8"), "toml")
    (tmp_path / "rig.toml").write_text("\n".join([rig, *tables]))
    monkeypatch.setenv("SMTP_PASSWORD", "secret")
    done = riglog("check", tmp_path / "rig.toml")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "page",
    [
        "docs/how-to/share-a-port.md",
        *(f"plugins/{name}/README.md" for name in ("sartorius", "servomex", "watlow", "modbus", "ascii")),
        *(f"docs/instruments/{path.name}" for path in INSTRUMENTS),
    ],
)
def test_every_rig_file_of_the_pages_is_valid(tmp_path: Path, page: str) -> None:
    for number, text in enumerate(blocks((ROOT / page).read_text(encoding="utf-8"), "toml")):
        path = tmp_path / f"rig-{number}.toml"
        path.write_text(text)
        done = riglog("check", path, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)


def test_the_commands_and_the_python_of_the_how_to_pages_run(tmp_path: Path) -> None:
    rig = '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:oven"\n'
    rig += '[[alarm]]\nname = "oven too hot"\nchannel = "oven.process_value"\nhigh = 10\n'  # raised at once
    (tmp_path / "rig.toml").write_text(rig)
    for recording in ("run.sqlite", "kiln.sqlite"):
        assert riglog("record", "rig.toml", "--duration", "1s", "--out", recording, cwd=tmp_path).code == 0
    for page in sorted((ROOT / "docs" / "how-to").glob("*.md")):
        if page.name in ("first-driver.md", "troubleshoot.md"):  # need a plugin, or a port: they have their own tests
            continue
        text = page.read_text(encoding="utf-8")
        with ExitStack() as running:
            for line in "".join(blocks(text, "sh")).splitlines():
                if line.startswith("riglog ") and "record" not in line:
                    words = shlex.split(line, comments=True)
                    if ">" in words:
                        words = words[: words.index(">")]
                    if words[-1] == "&":
                        assert words[1] == "simulate"
                        running.enter_context(simulated(*words[2:-1], cwd=tmp_path))
                        continue
                    done = riglog(*words[1:], cwd=tmp_path)
                    assert done.code == 0, f"{page.name}: {line}: {done.err}"
        for code in blocks(text, "python"):
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"{page.name}: {done.stderr}"


TROUBLESHOOT = (ROOT / "docs" / "how-to" / "troubleshoot.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_command_of_the_troubleshooting_page_runs(tmp_path: Path) -> None:
    with simulated("watlow", "--link", str(tmp_path / "oven-port")):
        rig = '[run]\nname = "kiln"\n[[device]]\nname = "oven"\ndriver = "watlow"\nport = "./oven-port"\n'
        (tmp_path / "rig.toml").write_text(rig)
        assert riglog("record", "rig.toml", "--duration", "1s", cwd=tmp_path).code == 0
        lines = "".join(blocks(TROUBLESHOOT, "sh")).replace("/dev/ttyUSB0", "./oven-port").splitlines()
        assert len(lines) > 20
        for line in dict.fromkeys(lines):
            program, command, *rest = shlex.split(line, comments=True)
            if program == "sqlite3":
                with closing(sqlite3.connect(tmp_path / command)) as recording:
                    recording.execute(*rest).fetchall()
                continue
            codes = {"doctor": (0, 1)}.get(command, (0,))  # a problem of this computer
            if command == "record":
                rest += ["--duration", "1s"]
            elif command == "forward":  # there is no database here, and the port is that of no program
                rest[rest.index("--to") + 1 :] = ["postgresql://lab@127.0.0.1:1/central", "--give-up-after", "1"]
                codes = (4,)
            done = riglog(command, *rest, cwd=tmp_path)
            assert program == "riglog"
            assert done.code in codes, f"{line}: {done.err}"


@pytest.mark.slow
@pytest.mark.parametrize("page", INSTRUMENTS, ids=lambda path: path.stem)
def test_every_command_of_the_instrument_pages_runs(tmp_path: Path, page: Path) -> None:
    lines = "".join(blocks(page.read_text(encoding="utf-8"), "sh")).splitlines()
    assert lines
    for line in lines:
        program, *words = shlex.split(line.replace("/dev/ttyUSB0", "sim:bench"))
        assert program == "riglog"
        done = riglog(*words, cwd=tmp_path)
        assert done.code == 0, f"{line}: {done.err}"
