"""Exports for people: Excel workbooks, the decimal comma, local times. No number and no text changes on the way."""

import csv
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from recorded import GAS, WARM, make_run, stamp, store

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.model import Batch, Run, Sample
from riglog.recordings import export, read
from riglog.recordings.local_times import to_local
from riglog.sinks import SqliteSink, xlsx
from riglog.sinks.rows import COLUMNS, Column, Kind

openpyxl = pytest.importorskip("openpyxl")  # another program than the one that writes
pytest.importorskip("openpyxl.utils.escape")
pytest.importorskip("xlsxwriter")


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    from riglog.recordings import local_times

    local_times._local_minute.cache_clear()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
        local_times._local_minute.cache_clear()


berlin = pytest.mark.skipif(sys.platform == "win32", reason="time.tzset")


def sheets(path: Path) -> list[list[list[Any]]]:
    book = openpyxl.load_workbook(path, read_only=True)
    found = [[[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book]
    book.close()
    return found


def test_a_workbook_has_every_cell_of_the_recording(recording: Path, tmp_path: Path) -> None:
    assert export(recording, tmp_path / "out.xlsx", format="xlsx").rows == 38
    ((names, *rows),) = sheets(tmp_path / "out.xlsx")
    assert tuple(names) == COLUMNS
    wanted = list(read(recording))
    assert len(rows) == len(wanted) == 38
    for row, stored in zip(rows, wanted, strict=True):
        found = dict(zip(names, row, strict=True))
        for name in ("run", "tick", "device", "parameter", "instance", "value", "text", "unit", "error", "status"):
            assert found[name] == getattr(stored, name)
        at = datetime.fromisoformat(stored.received_at).replace(tzinfo=None)
        assert abs((found["received_at"] - at).total_seconds()) < 0.001
        assert int(found["monotonic_ns"]) == stored.monotonic_ns


async def formulas(path: Path) -> None:
    run = make_run(number=3)
    texts = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@x", "http://example.org", "0012", "{=1}", "\x01 bell", "ü😀"]
    await store_samples(
        path,
        run,
        [Sample(channel=GAS, stamp=stamp(run, n), text=text, value=None, unit=None) for n, text in enumerate(texts)],
    )


async def store_samples(path: Path, run: Run, samples: Sequence[Sample]) -> None:
    await store(SqliteSink(path), run, [Batch("s", 0, tuple(samples))])


def test_no_text_becomes_a_formula_a_link_or_a_number(tmp_path: Path) -> None:
    anyio.run(formulas, tmp_path / "r.sqlite")
    export(tmp_path / "r.sqlite", tmp_path / "out.xlsx", format="xlsx")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    column = COLUMNS.index("text")
    cells = [row[column] for row in book.active.iter_rows(min_row=2)]
    assert [cell.data_type for cell in cells] == ["s"] * len(cells)
    assert all(cell.hyperlink is None for cell in cells)
    assert [openpyxl.utils.escape.unescape(cell.value) for cell in cells] == [
        row.text for row in read(tmp_path / "r.sqlite")
    ]


def test_rows_that_do_not_fit_are_on_a_further_sheet(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 20)
    export(recording, tmp_path / "out.xlsx", format="xlsx")
    found = sheets(tmp_path / "out.xlsx")
    assert [len(sheet) for sheet in found] == [20, 20]
    assert found[0][0] == found[1][0] == list(COLUMNS)
    assert [row[COLUMNS.index("value")] for sheet in found for row in sheet[1:]] == [
        row.value for row in read(recording)
    ]


def test_an_integer_of_more_than_fifteen_digits_stays_exact() -> None:
    file = io.BytesIO()
    writer = xlsx.XlsxWriter(file, [Column("n", Kind.INTEGER)])
    writer.write([[10**15 - 1], [10**15], [-(2**62) - 1]])
    writer.close()
    (sheet,) = openpyxl.load_workbook(file)
    assert [cell.value for cell in sheet["A"]] == ["n", 10**15 - 1, str(10**15), str(-(2**62) - 1)]


def test_what_no_workbook_can_hold_is_refused(tmp_path: Path) -> None:
    writer = xlsx.XlsxWriter(io.BytesIO(), [Column("t", Kind.TEXT)])
    with pytest.raises(ConfigError, match="a text of 32768 characters does not fit into a cell"):
        writer.write([["x" * 32_768]])
    writer.discard()
    with pytest.raises(ConfigError, match="16384 columns do not fit"):
        xlsx.XlsxWriter(io.BytesIO(), [Column(f"c{n}", Kind.REAL) for n in range(16_384)])


@pytest.mark.parametrize("fails", [False, True])
def test_no_temporary_file_is_left(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(xlsx, "CELL_CHARACTERS", 2 if fails else 100)
    with pytest.raises(ConfigError) if fails else nullcontext():
        export(recording, tmp_path / "out.xlsx", format="xlsx")
    assert list(temporary.iterdir()) == []
    assert (tmp_path / "out.xlsx").exists() is not fails


def test_only_an_earlier_workbook_of_riglog_is_replaced(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    book = openpyxl.Workbook()
    book.save(out)
    mine = out.read_bytes()
    with pytest.raises(StorageError, match="not an export in xlsx"):
        export(recording, out, format="xlsx", overwrite=True)
    assert out.read_bytes() == mine
    out.unlink()
    export(recording, out, format="xlsx")
    with pytest.raises(StorageError, match="file exists and was not overwritten"):
        export(recording, out, format="xlsx")
    export(recording, out, format="xlsx", overwrite=True)
    with pytest.raises(NotARecordingError, match="Excel workbook"):
        list(read(out))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("separator", [None, ";", "\t"])
def test_a_decimal_comma_changes_the_sign_and_nothing_else(
    recording: Path, tmp_path: Path, separator: str | None, wide: bool
) -> None:
    export(recording, tmp_path / "usual.csv", format="csv", wide=wide)
    export(recording, tmp_path / "comma.csv", format="csv", wide=wide, separator=separator, decimal_comma=True)
    with (tmp_path / "usual.csv").open(newline="") as usual, (tmp_path / "comma.csv").open(newline="") as other:
        wanted = list(csv.reader(usual))
        found = list(csv.reader(other, delimiter=separator or ";"))
    changed = 0
    for old, new in zip(wanted, found, strict=True):
        for one, another in zip(old, new, strict=True):
            if one != another:
                assert float(one) == float(another.replace(",", "."))
                changed += 1
    assert changed > 5
    assert "'" not in (tmp_path / "comma.csv").read_text().replace("n't", "")


def test_a_negative_number_is_no_formula_and_a_text_is_still_guarded(tmp_path: Path) -> None:
    run = make_run(number=3)
    samples = [
        Sample(channel=WARM, stamp=stamp(run, 0), value=-0.000184, unit="g"),
        Sample(channel=GAS, stamp=stamp(run, 1), text="=1+1;2", value=None, unit=None),
    ]
    anyio.run(store_samples, tmp_path / "r.sqlite", run, samples)
    export(tmp_path / "r.sqlite", tmp_path / "out.csv", format="csv", decimal_comma=True)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert ";-0,000184;" in lines[1]
    assert ';"\'=1+1;2";' in lines[2]


def test_an_export_in_another_style_is_recognised_and_not_read_back(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export(recording, out, format="csv", decimal_comma=True)
    export(recording, out, format="csv", decimal_comma=True, overwrite=True)
    with pytest.raises(NotARecordingError):
        list(read(out))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"format": "jsonl", "decimal_comma": True}, "for CSV only"),
        ({"format": "xlsx", "separator": ";"}, "for CSV only"),
        ({"format": "csv", "separator": ",", "decimal_comma": True}, "a comma is the decimal sign already"),
        ({"format": "csv", "separator": "."}, "--separator: invalid value '.'"),
        ({"format": "csv", "separator": ""}, "--separator: invalid value ''"),
        ({"format": "csv", "out": "x.parquet"}, "'x.parquet' would have the format csv, despite its ending"),
        ({"format": "jsonl", "out": "x.XLSX"}, "'x.XLSX' would have the format jsonl, despite its ending"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    recording: Path, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    out = tmp_path / more.pop("out", "out")
    with pytest.raises(ConfigError, match=message):
        export(recording, out, **more)
    assert not out.exists()


@berlin
def test_local_times_have_the_offset_of_their_moment() -> None:
    with time_zone("Europe/Berlin"):
        assert to_local("2026-01-10T12:00:00.123456Z") == "2026-01-10T13:00:00.123456+01:00"
        assert to_local("2026-10-25T00:59:59.999999Z") == "2026-10-25T02:59:59.999999+02:00"
        assert to_local("2026-10-25T01:00:00.000000Z") == "2026-10-25T02:00:00.000000+01:00"
    with time_zone("Asia/Kathmandu"):
        assert to_local("2026-01-10T23:59:59.5Z") == "2026-01-11T05:44:59.5+05:45"


@berlin
@pytest.mark.parametrize("wide", [False, True])
def test_a_local_export_is_the_same_moment_in_every_cell(recording: Path, tmp_path: Path, wide: bool) -> None:
    with time_zone("America/St_Johns"):
        for name, local in (("utc", False), ("local", True)):
            export(recording, tmp_path / f"{name}.csv", format="csv", wide=wide, local_time=local)
            export(recording, tmp_path / f"{name}.xlsx", format="xlsx", wide=wide, local_time=local)
    with (tmp_path / "utc.csv").open(newline="") as utc, (tmp_path / "local.csv").open(newline="") as local_file:
        old, new = list(csv.reader(utc)), list(csv.reader(local_file))
    places = [n for n, name in enumerate(new[0]) if name.endswith("_local")]
    assert [new[0][n] for n in places] == [f"{old[0][n]}_local" for n in places] != []
    for before, after in zip(old[1:], new[1:], strict=True):
        for n in places:
            assert (before[n] == after[n] == "") or (
                datetime.fromisoformat(before[n]) == datetime.fromisoformat(after[n]) and after[n][-6] in "+-"
            )
    ((names, *rows),) = sheets(tmp_path / "local.xlsx")
    ((_, *utc_rows),) = sheets(tmp_path / "utc.xlsx")
    assert names[-1] == "utc_offset"
    column = next(n for n, name in enumerate(names) if name in ("time_local", "received_at_local"))
    for row, other in zip(rows, utc_rows, strict=True):
        moment = datetime.fromisoformat(row[column].isoformat() + row[-1])
        assert abs((moment - datetime.fromisoformat(other[column].isoformat() + "+00:00")).total_seconds()) < 0.001
    with pytest.raises(NotARecordingError):
        list(read(tmp_path / "local.csv"))
