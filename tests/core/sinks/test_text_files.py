"""CSV and JSON lines: whole lines only, whatever happened to the file before."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import SERIAL, WARM, make_run, stamp, store, varied

from riglog import Manager, MemorySink, pipe, record
from riglog.errors import NotARecordingError, StorageError
from riglog.model import Batch, EventKind, Sample
from riglog.recordings import read
from riglog.sinks import COLUMNS, CsvSink, JsonlSink, rows, text_files
from riglog.sinks.csv import _decode, _lines, _plain_lines
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


FORMULAS = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", "'=1"]


async def test_no_text_in_csv_is_a_formula_for_a_spreadsheet_and_programs_lose_nothing(tmp_path: Path) -> None:
    run = make_run()
    batches = [
        Batch("bus", n, [Sample(channel=SERIAL, stamp=stamp(run, n), value=text, unit=text, flags=(text,))])
        for n, text in enumerate(FORMULAS)
    ]
    batches.append(Batch("bus", 99, [Sample(channel=WARM, stamp=stamp(run, 99), value=-1.5, unit=None)]))
    await store(CsvSink(tmp_path / "rows"), run, batches)
    with (tmp_path / "rows").open(encoding="utf-8", newline="") as file:
        *texts, number = csv.DictReader(file)
    assert [row[key] for row in texts for key in ("text", "unit", "flags")] == [
        f"'{text}" for text in FORMULAS for _ in range(3)
    ]
    assert number["value"] == "-1.5"
    assert [(row.text, row.unit, row.flags) for row in read(tmp_path / "rows")][:-1] == [
        (text, text, text) for text in FORMULAS
    ]


async def test_a_file_that_begins_with_an_empty_line_is_not_a_recording(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("\nprecious")
    for overwrite in (False, True):
        with pytest.raises(NotARecordingError):
            await make(path, overwrite=overwrite).check()
        with pytest.raises(NotARecordingError):
            await make(path, overwrite=overwrite).open(make_run())
        assert path.read_text() == "\nprecious"


async def test_a_file_that_is_exchanged_after_the_check_is_kept(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows"
    really = os.open

    def exchanged(*arguments: Any, **more: Any) -> int:
        path.write_text("precious\nnotes")
        return really(*arguments, **more)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(NotARecordingError):
        await make(path, overwrite=True).open(make_run())
    monkeypatch.undo()
    assert path.read_text() == "precious\nnotes"


async def test_a_link_that_appears_after_the_check_is_not_followed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = make(tmp_path / "rows")
    monkeypatch.setattr(type(sink), "_check", lambda sink: (tmp_path / "rows").symlink_to(tmp_path / "elsewhere"))
    with pytest.raises(StorageError, match="File exists"):
        await sink.open(make_run())
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows"]


AWKWARD = ["a,b", 'say "no"', "null", "[1]", "]\n[", "=1", "+1", "-1", "@x", "'x", "\t", "°C", "\\", "{}", " ", "true"]
NUMBERS = [None, 0.0, -0.0, -1.5, 1e16, 1e-7, 1.7976931348623157e308, 2.0**-126, 0.1 + 0.2, 123456789012345680.0]


def with_content(number: float | None = 1.0, text: str | None = None, error: str | None = None) -> tuple[Any, ...]:
    middle = (number, text, "degC", "ok", "", error)
    stamps = ("2026-11-20T12:00:00.000000Z",) * 3
    return ("run", None, "oven", "watlow", "stdbus", 1, "pv", 4001, 1, *middle, *stamps, None, 123)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_short_way_to_a_line_of_csv_gives_the_same_row(number: float | None) -> None:
    records = [with_content(), with_content(number), with_content(number, "auto")]
    short = _plain_lines(records)
    assert short is not None
    assert list(map(_decode, short.splitlines())) == list(map(_decode, _lines(records).splitlines()))


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("column", ["text", "error"])
def test_a_text_that_needs_more_than_its_letters_takes_the_long_way_or_gives_the_same_line(
    text: str, column: str
) -> None:
    records = [with_content(), with_content(**{column: text}), with_content()]
    assert _plain_lines(records) in (None, _lines(records))


@pytest.mark.parametrize("checked", [10_000_000, 2_000])
async def test_a_file_with_damaged_lines_is_continued_and_the_user_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: int
) -> None:
    monkeypatch.setattr(text_files, "CHECKED_BYTES", checked)
    path, run = tmp_path / "rows", make_run()
    await store(make(path), run, varied(run) * 10)
    sound = make(path)
    await sound.open(run)
    await sound.aclose()
    assert sound.warning is None
    lines = path.read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2][:20] + b"?" * 9 + b"\n"
    lines[-4] = b"\xff\xfe\n"
    path.write_bytes(b"".join(lines))
    damaged = make(path)
    await damaged.open(run)
    await damaged.write(varied(run), [])
    await damaged.aclose()
    part = "" if checked > path.stat().st_size else " of the newest 0 MB"
    assert damaged.warning is not None
    assert damaged.warning.startswith(f"2 lines{part} of {path} cannot be read")
    assert damaged.warning_kind is EventKind.RECORDING_DAMAGED
    assert len(list(found := read(path))) == len(lines) - 2 - bool(damaged.head) + len(list(rows(run.id, varied(run))))
    assert found.damage.lines == 2


async def test_a_damaged_file_that_is_continued_is_an_event_of_the_recording(make: Make, tmp_path: Path) -> None:
    path, run = tmp_path / "rows", make_run()
    await store(make(path), run, varied(run))
    with path.open("ab") as file:
        file.write(b"?\n")
    events = MemorySink()
    async with Manager() as manager:
        await manager.add("oven", "sim:line", driver="watlow")
        async with record(manager, rate_hz=10, duration=3) as recording:
            result, _ = await pipe(recording, make(path), events, run=run)
    assert result.warning is not None
    (event,) = [event for event in events.events if event.kind is EventKind.RECORDING_DAMAGED]
    assert event.message == f"sink {result.name}: {result.warning}"
    assert result.lost == 0
