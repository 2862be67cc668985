"""CSV and JSON lines: whole lines only, whatever happened to the file before."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import make_run, store, varied

from riglog.errors import StorageError
from riglog.recordings import read
from riglog.sinks import COLUMNS, CsvSink, JsonlSink, rows
from riglog.sinks.text_files import TextFileSink

Make = Callable[..., TextFileSink]


@pytest.fixture(params=[CsvSink, JsonlSink], ids=["csv", "jsonl"])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


@pytest.mark.parametrize("cut", [1, 2, 17, 40])
async def test_half_a_line_is_no_row_and_is_cut_off_when_the_file_is_continued(
    make: Make, tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "rows"
    first, second = make_run(number=1), make_run(number=2)
    await store(make(path), first, varied(first))
    os.truncate(path, path.stat().st_size - cut)
    whole = list(rows(first.id, varied(first)))[:-1]
    assert list(read(path)) == whole
    await store(make(path), second, varied(second))
    assert list(read(path)) == whole + list(rows(second.id, varied(second)))


async def test_a_full_disk_leaves_whole_lines_and_can_be_tried_again(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run = tmp_path / "rows", make_run()
    sink = make(path)
    await sink.open(run)
    batches = varied(run)
    await sink.write(batches[:3], [])
    really = os.write

    def half(file: int, data: Any) -> int:
        if len(data) <= 100:
            raise OSError(28, "No space left on device")
        return really(file, data[:100])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StorageError, match="No space left") as full:
        await sink.write(batches[3:], [])
    assert full.value.hint == "Free disk space"
    monkeypatch.undo()
    assert list(read(path)) == list(rows(run.id, batches[:3]))
    await sink.write(batches[3:], [])
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, batches))


async def test_csv_has_one_header_and_standard_quoting(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for number in (1, 2):
        run = make_run(number=number)
        await store(CsvSink(path), run, varied(run))
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert len(lines) == 38
    error = COLUMNS.index("error")
    assert lines[1][error] == 'no reply, "oven" is silent; line 2, or so'
    assert lines[0][error] == ""


async def test_json_lines_are_objects_with_every_column(tmp_path: Path) -> None:
    path, run = tmp_path / "rows.jsonl", make_run()
    await store(JsonlSink(path), run, varied(run))
    objects = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {tuple(keys) for keys in objects} == {COLUMNS}
    assert objects[1]["value"] is None
    assert objects[0]["value"] == 20.0
