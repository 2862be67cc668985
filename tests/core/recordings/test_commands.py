"""``riglog export`` and ``riglog forward`` as somebody types them."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from recorded import WARM, make_run, steady, store

from riglog.recordings import read
from riglog.sinks import COLUMNS, SqliteSink

pytestmark = pytest.mark.real_time


def riglog(*arguments: object) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-m", "riglog", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def test_rows_go_to_stdout_and_notes_to_stderr(recording: Path) -> None:
    done = riglog(
        "export", recording, "--run", "bench", "--device", "oven", "--from", "2026-11-20", "--to", "2026-11-21"
    )
    header, *lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "9 rows\n")
    assert tuple(header.split(",")) == COLUMNS
    assert len(lines) == 9


def test_the_ending_of_the_file_decides(recording: Path, tmp_path: Path) -> None:
    for ending in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"out.{ending}"
        assert riglog("export", recording, "--out", out).returncode == 0
        assert list(read(out)) == list(read(recording))


def test_a_wide_export_tells_its_rule(recording: Path) -> None:
    done = riglog("export", recording, "--wide", "--every", "2", "--format", "jsonl")
    assert "each row covers 2 s and holds the last value of every channel" in done.stderr
    assert json.loads(done.stdout.splitlines()[0])["oven.process_value[1] [degC]"] == pytest.approx(20 + 2 / 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("export", "nothing.sqlite"), 4, "file not found"),
        (("export", __file__), 4, "not an SQLite database"),
        (("export", "{}", "--from", "yesterday"), 2, "invalid time 'yesterday'"),
        (("export", "{}", "--format", "parquet"), 2, "parquet cannot be written to standard output"),
        (("export", "{}", "--every", "1"), 2, "Add --wide"),
        (("export", "{}", "--out", "rows.xls"), 2, "unknown ending '.xls'. Use one of .csv, .jsonl, .parquet"),
        (("export", "{}", "--out", "{}", "--format", "csv", "--overwrite"), 4, "file exists and is not an export"),
        (("forward", "{}", "--to", "mysql://db"), 2, "this is not a PostgreSQL database"),
        (("forward", "{}", "--to", "postgresql://db/x", "--schema", "A B"), 2, "invalid schema name"),
        (("forward", "nothing.sqlite", "--to", "postgresql://db/x"), 4, "file not found"),
        (
            ("forward", "{}", "--to", "postgresql://lab:s3cret@127.0.0.1:1/x", "--give-up-after", "0"),
            4,
            "PostgreSQL not reachable",
        ),
    ],
)
def test_bad_input_gives_one_clear_line(recording: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = riglog(*(word.replace("{}", str(recording)) for word in arguments))
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, list(steady(run, [WARM], 15_000)))
    program = f"{sys.executable} -m riglog export {path} --format jsonl | head -c 10"
    done = await anyio.run_process(["bash", "-o", "pipefail", "-c", program])
    assert (done.stdout, done.stderr) == (b'{"run":"be', b"")


def test_a_rig_file_may_name_every_sink(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    sinks = [
        f'[[sink]]\ntype = "{kind}"\npath = "{tmp_path / kind}"\n' for kind in ("csv", "jsonl", "parquet", "sqlite")
    ]
    device = '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:line"\n'
    rig.write_text("[run]\nrate_hz = 10\n" + "".join(sinks) + device)
    done = riglog("record", rig, "--duration", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    stored = [sorted(read(tmp_path / kind), key=str) for kind in ("csv", "jsonl", "parquet", "sqlite")]
    assert stored[0] == stored[1] == stored[2] == stored[3]
    assert len(stored[0]) == json.loads(done.stdout)["samples"] > 0


def test_a_recording_from_the_command_line_survives_without_its_database(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        f'[[sink]]\ntype = "postgres"\nurl = "postgresql://127.0.0.1:1/x"\npath = "{tmp_path / "local.sqlite"}"\n'
        '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:line"\n'
    )
    done = riglog("record", rig, "--duration", "1", "--json")
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "local.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM samples").fetchone()[0] == json.loads(done.stdout)["samples"]
