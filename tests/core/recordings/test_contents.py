"""What a recording contains at a glance: the same from every format, also while it grows."""

import json
import os
import sys
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner
from recorded import WARM, make_run, sqlite_recording, steady, store

from riglog.cli.commands.info import command
from riglog.model import Sink
from riglog.recordings import contents, export, latest_rows, newest_rows, read, read_events, rows_since
from riglog.recordings.inventory import GrowingContents
from riglog.sinks import CsvSink, JsonlSink, SqliteSink
from riglog.sinks.sqlite.reader import newest_events


@pytest.fixture(params=["sqlite", "csv", "jsonl", "parquet"])
def anywhere(request: pytest.FixtureRequest, recording: Path, tmp_path: Path) -> Path:
    """The same rows in every format."""
    if request.param == "sqlite":
        return recording
    out = tmp_path / f"bench.{request.param}"
    export(recording, out, format=request.param)
    return out


def test_runs_and_rows_are_counted_in_every_format(anywhere: Path) -> None:
    found = contents(anywhere)
    assert [(run.run, run.rows) for run in found.runs] == [("bench.0001", 19), ("other.0002", 19)]
    assert found.rows == 38
    assert found.format == anywhere.suffix.removeprefix(".")
    assert found.bytes >= anywhere.stat().st_size > 0
    rows = list(read(anywhere))
    assert [run.last_row_at for run in found.runs][-1] == max(row.received_at for row in rows)


def test_the_newest_row_of_every_series_is_its_last_one(anywhere: Path) -> None:
    newest = {(row.device, row.parameter, row.instance): row for row in read(anywhere)}
    found = latest_rows(anywhere)
    assert {(row.device, row.parameter, row.instance): row for row in found} == newest
    assert found == contents(anywhere).latest


@pytest.mark.parametrize("count", [1, 7, 38, 100])
def test_the_newest_rows_are_the_last_ones(anywhere: Path, count: int) -> None:
    assert newest_rows(anywhere, count) == list(read(anywhere))[-count:]


def test_rows_since_a_time_include_that_time(recording: Path) -> None:
    rows = list(read(recording))
    middle = rows[len(rows) // 2].received_at
    assert list(rows_since(recording, middle)) == [row for row in rows if row.received_at >= middle]


@pytest.mark.parametrize("make", [SqliteSink, CsvSink, JsonlSink])
def test_a_recording_without_rows_has_no_newest_row(tmp_path: Path, make: type[Sink]) -> None:
    path = tmp_path / f"empty.{make.name}"
    anyio.run(store, make(path), make_run(), [])  # type: ignore[call-arg]
    found = contents(path)
    assert (found.rows, found.latest) == (0, [])
    assert newest_rows(path, 5) == []


def test_a_run_that_goes_on_after_an_hour_of_nothing_still_has_its_newest_rows(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    run = make_run()
    anyio.run(store, SqliteSink(path), run, list(steady(run, [WARM], 3)))
    anyio.run(store, SqliteSink(path), make_run(number=5), list(steady(make_run(number=5), [WARM], 2)))
    assert newest_rows(path, 4) == list(read(path))[-4:]


def test_a_recording_with_many_series_is_read_in_one_order(tmp_path: Path) -> None:
    path = tmp_path / "bench.sqlite"
    anyio.run(lambda: sqlite_recording(path, make_run()))
    assert [row.parameter for row in latest_rows(path)][:3] == ["process_value", "process_value", "control_mode"]


async def test_a_growing_recording_is_counted_once_and_again_if_it_is_replaced(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    growing = GrowingContents(path)
    sink = SqliteSink(path)
    await sink.open(run)
    for count, batch in enumerate(steady(run, [WARM], 5), 1):
        await sink.write([batch], [])
        assert growing.read() == contents(path)
        assert growing.read().rows == count
    await sink.aclose()
    assert growing.read() == contents(path)
    path.unlink()
    await sqlite_recording(path, make_run(number=2), make_run(number=3))
    assert growing.read() == contents(path)
    assert growing.read().rows == 38


@pytest.mark.parametrize("count", [1, 3, 100])
def test_the_newest_events_are_the_last_ones(recording: Path, count: int) -> None:
    assert newest_events(recording, count) == list(read_events(recording))[-count:]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
async def test_a_path_that_is_no_utf8_text_can_be_read(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    path = await sqlite_recording(folder / "run.sqlite", make_run())
    assert contents(path).rows == len(list(read(path))) > 0
    done = CliRunner().invoke(command, ["--json", str(path)], standalone_mode=False, catch_exceptions=False)
    assert json.loads(done.output)["path"] == str(path)
