"""``riglog.read``: rows and tables from every kind of recording."""

import io
import math
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio
import pyarrow.parquet
import pytest
from msgspec import structs
from recorded import WARM, make_run, steady, store, varied

import riglog
from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.recordings import Selection, export, read, read_events
from riglog.sinks import SqliteSink, rows
from riglog.sinks.rows import ROW

ROW_NAMES = [column.name for column in ROW]
FIRST, SECOND = make_run(number=1), make_run("other", number=2)
ALL = [row for run in (FIRST, SECOND) for row in rows(run.id, varied(run))]


def test_rows_come_oldest_first_and_as_often_as_wanted(recording: Path) -> None:
    found = riglog.read(recording)
    assert list(found) == ALL
    assert list(found) == ALL


@pytest.mark.parametrize(
    ("selection", "which"),
    [
        ({"run": FIRST.id}, lambda row: row.run == FIRST.id),
        ({"run": "other"}, lambda row: row.run == SECOND.id),
        ({"device": "oven"}, lambda row: row.device == "oven"),
        ({"parameter": "net"}, lambda row: row.parameter == "net"),
        ({"device": "oven", "run": "bench", "parameter": "net"}, lambda row: False),
        ({"start": "2026-11-20T14:00:00Z"}, lambda row: row.received_at >= "2026-11-20T14"),
        ({"end": "2026-11-20 14:00"}, lambda row: row.received_at < "2026-11-20T14"),
        ({"start": "2026-11-20T13:00:00.333457Z"}, lambda row: row.received_at >= "2026-11-20T13:00:00.333457"),
        ({"end": "2026-11-20T15:00:00.5+02:00"}, lambda row: row.received_at < "2026-11-20T13:00:00.5"),
        (
            {"start": datetime(2026, 11, 20, 15, tzinfo=timezone(timedelta(hours=1)))},
            lambda row: row.received_at >= "2026-11-20T14",
        ),
    ],
)
def test_a_selection_has_the_selected_rows(recording: Path, selection: dict[str, Any], which: Any) -> None:
    assert list(riglog.read(recording, **selection)) == [row for row in ALL if which(row)]


def test_a_table_has_the_rows_and_the_types(recording: Path) -> None:
    table = riglog.read(recording, device="oven", run="bench").table()
    wanted = [row for row in ALL if row.device == "oven" and row.run == FIRST.id]
    assert table.column_names == list(type(ALL[0]).__struct_fields__)
    assert table["value"].to_pylist() == [row.value for row in wanted]
    assert [f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for moment in table["received_at"].to_pylist()] == [
        row.received_at for row in wanted
    ]


def test_a_table_without_rows_has_its_columns(recording: Path) -> None:
    assert riglog.read(recording, end="2001-01-01").table().num_columns == len(structs.astuple(ALL[0]))


@pytest.mark.parametrize(
    ("selection", "message", "hint"),
    [
        ({"device": "ovne"}, "no device 'ovne' in the recording", "Did you mean 'oven'? It has: oven, stack, balance"),
        ({"parameter": "process"}, "no parameter 'process' in the recording", "It has: process_value, "),
        ({"run": "bench.9"}, "no run 'bench.9' in the recording", "It has: bench, "),
    ],
)
def test_a_selection_of_what_is_not_there_is_an_error(
    recording: Path, selection: dict[str, str], message: str, hint: str
) -> None:
    for refused in (lambda: riglog.read(recording, **selection), lambda: exported(recording, selection)):  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=message) as caught:
            refused()
        assert hint in (caught.value.hint or "")
        assert str(recording) in str(caught.value)


def exported(recording: Path, selection: dict[str, str]) -> None:
    export(recording, io.BytesIO(), format="csv", selection=Selection(**selection))


def test_the_events_of_a_run_are_selected_by_id_or_name(recording: Path) -> None:
    by_id = list(read_events(recording, run=FIRST.id))
    assert {event.run for event in by_id} == {FIRST.id}
    assert list(read_events(recording, run=FIRST.name)) == by_id
    with pytest.raises(ConfigError, match="no run 'x' in the recording"):
        list(read_events(recording, run="x"))


def test_rows_are_selected_from_sqlite_only(recording: Path, tmp_path: Path) -> None:
    export(recording, tmp_path / "all.csv", format="csv")
    assert list(riglog.read(tmp_path / "all.csv")) == ALL
    with pytest.raises(ConfigError, match="only supported for SQLite"):
        riglog.read(tmp_path / "all.csv", device="oven")


def test_a_file_that_cannot_be_read_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="file not found"):
        riglog.read(tmp_path / "nothing.sqlite")
    (tmp_path / "letter.txt").write_text("Dear reader,\n")
    with pytest.raises(NotARecordingError):
        riglog.read(tmp_path / "letter.txt")
    with pytest.raises(ConfigError, match="invalid time"):
        riglog.read(tmp_path / "nothing.sqlite", start="yesterday")


RIG = '[run]\nname = "kiln"\n[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:a"\n'


def given(recording: Path, folder: Path, kind: str) -> Path:
    """Return a file that is no SQLite recording."""
    path = folder / "given"
    if kind == "rig file":
        path.write_text(RIG)
    elif kind == "folder":
        path.mkdir()
        (path / "photo.jpg").touch()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        format, shape = kind.split()
        export(recording, path, format=format, wide=shape == "wide")
    return path


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        ("rig file", "this is a rig file, not a recording", "riglog record {}`, then give the recording"),
        ("csv wide", "this is a wide export", "Give the recording from which it was made"),
        ("jsonl wide", "this is a wide export", "Give the recording from which it was made"),
        ("folder", "path is a directory", "Give the name of a file in it"),
        ("pipe", "path is not a file", "Give the name of a file"),
    ],
)
def test_what_is_not_a_recording_is_called_by_its_kind(
    recording: Path, tmp_path: Path, kind: str, message: str, hint: str
) -> None:
    if kind == "pipe" and sys.platform == "win32":
        pytest.skip("Windows has no named pipes in folders")
    path = given(recording, tmp_path, kind)
    with pytest.raises(NotARecordingError, match=message) as caught:
        read(path)
    assert hint.replace("{}", str(path)) in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("rig file", "this is a rig file, not a recording"),
        ("csv long", "this is CSV; only an SQLite recording"),
        ("jsonl long", "this is JSON Lines; only an SQLite recording"),
        ("parquet long", "this is Parquet; only an SQLite recording"),
        ("csv wide", "this is a wide export"),
    ],
)
def test_what_needs_sqlite_says_what_it_was_given(recording: Path, tmp_path: Path, kind: str, message: str) -> None:
    if kind == "pipe" and sys.platform == "win32":
        pytest.skip("Windows has no named pipes in folders")
    path = given(recording, tmp_path, kind)
    with pytest.raises(NotARecordingError, match=message):
        export(path, tmp_path / "out.csv", format="csv")
    with pytest.raises(NotARecordingError, match=message):
        list(read_events(path))


def test_damage_inside_a_recording_is_one_error(tmp_path: Path) -> None:
    path, run = tmp_path / "long.sqlite", make_run(number=4)
    anyio.run(store, SqliteSink(path), run, list(steady(run, [WARM], 12_000)))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(data)
    with pytest.raises(StorageError, match="recording is damaged") as caught:
        list(read(path))
    assert str(path) in str(caught.value)
    with pytest.raises(StorageError, match="recording is damaged"):
        export(path, tmp_path / "out.csv", format="csv")
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix != ".sqlite"] == []


def test_a_recording_is_a_table_of_pandas_and_of_polars_in_one_call(recording: Path) -> None:
    values = [row.value for row in ALL]
    frame = riglog.read(recording).to_pandas()
    assert list(frame.columns) == list(ROW_NAMES)
    assert [None if math.isnan(value) else value for value in frame.value] == values
    assert str(frame.received_at.dt.tz) == "UTC"
    frame = riglog.read(recording, device="oven").to_polars()
    assert frame["value"].to_list() == [row.value for row in ALL if row.device == "oven"]
    assert set(frame["device"]) == {"oven"}


def test_each_channel_is_an_array_of_numpy_with_nan_where_there_is_no_number(recording: Path) -> None:
    arrays = riglog.read(recording).to_numpy()
    assert sum(len(array) for array in arrays.values()) == len(ALL)
    for name, array in arrays.items():
        rows = [
            row
            for row in ALL
            if name == f"{row.device}.{row.parameter}[{row.instance}]" + (f" [{row.unit}]" if row.unit else "")
        ]
        assert [None if math.isnan(value) else value for value in array["value"].tolist()] == [
            row.value for row in rows
        ]
        assert [f"{time.isoformat(timespec='microseconds')}Z" for time in array["time"].tolist()] == [
            row.received_at for row in rows
        ]


def test_the_wide_table_is_that_of_the_wide_export(recording: Path, tmp_path: Path) -> None:
    for every in (None, 5.0):
        export(recording, tmp_path / "wide.parquet", format="parquet", wide=True, every=every, overwrite=True)
        table = riglog.read(recording).table(wide=True, every=every)
        assert table.equals(pyarrow.parquet.read_table(tmp_path / "wide.parquet"))
        assert len(riglog.read(recording).to_pandas(wide=True, every=every)) == table.num_rows > 0
    with pytest.raises(ConfigError, match="--wide"):
        riglog.read(recording).table(every=5.0)


def test_a_wide_table_of_another_format_is_refused(recording: Path, tmp_path: Path) -> None:
    export(recording, tmp_path / "rows.csv", format="csv")
    with pytest.raises(ConfigError, match="wide tables are only supported for SQLite"):
        riglog.read(tmp_path / "rows.csv").table(wide=True)
    assert len(riglog.read(tmp_path / "rows.csv").to_pandas()) == len(ALL)
