"""Damaged Parquet recordings: one line and a way out, nothing appended, and no row lost that can be proven."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from recorded import WARM, make_run, steady, store

from riglog.cli.commands.salvage import command
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.errors import NotARecordingError, StorageError
from riglog.recordings import contents, read, salvage
from riglog.sinks import ParquetSink, parquet, parquet_parts
from riglog.sinks.rows import Row

PART_ROWS, GROUP_ROWS = 40, 10
DAMAGED = r"Parquet file is damaged: "


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three parts with four row groups of ten rows each."""
    monkeypatch.setattr(parquet, "PART_ROWS", PART_ROWS)
    monkeypatch.setattr(parquet_parts, "GROUP_ROWS", GROUP_ROWS)
    path, run = tmp_path / "run.parquet", make_run()
    sink = ParquetSink(path)
    await sink.open(run)
    batches = list(steady(run, [WARM], 3 * PART_ROWS))
    for start in range(0, len(batches), PART_ROWS):
        await sink.write(batches[start : start + PART_ROWS], [])
    await sink.aclose()
    return path


def page(part: Path) -> int:
    """Return where the values of the second row group are."""
    with pyarrow.parquet.ParquetFile(part) as file:
        column = file.metadata.row_group(1).column(file.schema_arrow.names.index("value"))
        return int(column.data_page_offset + column.total_compressed_size // 2)


def flip(at: Callable[[Path], int]) -> Callable[[Path], None]:
    def damage(part: Path) -> None:
        data = bytearray(part.read_bytes())
        data[at(part)] ^= 0x10
        part.write_bytes(data)

    return damage


def footer(part: Path) -> int:
    """Return where the footer begins: with the number of its version."""
    data = part.read_bytes()
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def content(make: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(part: Path) -> None:
        part.write_bytes(make(part.read_bytes()))

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "page": flip(page),
    "footer": flip(footer),
    "length of the footer": flip(lambda part: part.stat().st_size - 6),
    "end": flip(lambda part: part.stat().st_size - 1),
    "truncated": content(lambda data: data[:-1000]),
    "empty": content(lambda data: b""),
    "zeros": content(lambda data: bytes(len(data))),
}


def damage(folder: Path, kind: str) -> None:
    DAMAGES[kind](folder / "part-000002.parquet")


def of_files(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def read_until_damage(folder: Path) -> list[Row]:
    found: list[Row] = []
    with pytest.raises(StorageError, match=DAMAGED) as raised:
        found.extend(read(folder))
    assert f"riglog salvage {folder} --out NEW.parquet" in (raised.value.hint or "")
    return found


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nothing_is_appended_to_a_folder_with_a_damaged_part(folder: Path, kind: str) -> None:
    damage(folder, kind)
    before = of_files(folder)
    for _ in range(2):  # it is not locked by the attempt
        with pytest.raises(StorageError, match=DAMAGED):
            await ParquetSink(folder).open(make_run(number=2))
    assert of_files(folder) == before


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_rows_before_the_damage_are_read_and_all_others_are_saved(folder: Path, kind: str) -> None:
    rows = list(read(folder))
    damage(folder, kind)
    before = of_files(folder)
    lost = range(50, 60) if kind == "page" else range(40, 80)
    assert read_until_damage(folder) == rows[: lost.start]
    with pytest.raises(StorageError, match=DAMAGED):
        contents(folder)
    saved = salvage(folder, folder.parent / "saved.parquet")
    assert (saved.rows, saved.gaps, saved.rejected, saved.runs) == (len(rows) - len(lost), 1, 0, 1)
    assert list(read(folder.parent / "saved.parquet")) == [*rows[: lost.start], *rows[lost.stop :]]
    assert of_files(folder) == before
    assert {entry.name for entry in folder.parent.iterdir()} == {"run.parquet", "saved.parquet"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_flipped_bit_of_a_footer_changes_or_hides_a_row(folder: Path) -> None:
    """The footer has no checksum; what it states is compared with what is there."""
    rows, part = list(read(folder)), folder / "part-000003.parquet"
    data, told = part.read_bytes(), 0
    for at in range(footer(part), len(data), 97):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        part.write_bytes(damaged)
        try:
            found = list(read(folder))
        except (StorageError, NotARecordingError):
            told += 1
        else:
            assert found == rows
    assert told > 20


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_command_counts_what_was_left_out(folder: Path) -> None:
    def run(out: str) -> tuple[int, str]:
        result = CliRunner().invoke(
            command, [str(folder), "--out", str(folder.with_name(out))], standalone_mode=False, catch_exceptions=False
        )
        return result.return_value, result.output

    code, output = run("all.parquet")
    assert (code, "Nothing was unreadable." in output) == (DONE, True)
    damage(folder, "page")
    code, output = run("some.parquet")
    assert (code, "Not copied: all rows at 1 place that cannot be read." in output) == (INCOMPLETE, True)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_recording_is_continued_beside_the_saved_rows_only(folder: Path) -> None:
    damage(folder, "page")
    salvage(folder, folder.parent / "saved.parquet")
    run = make_run(number=2)
    await store(ParquetSink(folder.parent / "saved.parquet"), run, list(steady(run, [WARM], 5)))
    assert len(list(read(folder.parent / "saved.parquet"))) == 110 + 5
    with pytest.raises(StorageError, match="file exists"):
        salvage(folder, folder.parent / "saved.parquet")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_where_nothing_is_left_nothing_is_made(folder: Path) -> None:
    for part in folder.iterdir():
        part.write_bytes(bytes(100))
    with pytest.raises(StorageError, match="nothing can be read"):
        salvage(folder, folder.parent / "saved.parquet")
    assert [entry.name for entry in folder.parent.iterdir()] == ["run.parquet"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_foreign_file_is_named_and_kept(folder: Path) -> None:
    (folder / "part-000009.parquet").write_text("not of riglog\n")
    (folder / "notes.txt").write_text("not of riglog\n")
    with pytest.raises(NotARecordingError, match=r"folder contains other files: notes\.txt"):
        await ParquetSink(folder).check()
    (folder / "notes.txt").unlink()
    for sink in (ParquetSink(folder), ParquetSink(folder, overwrite=True)):
        with pytest.raises(StorageError, match=DAMAGED):
            await sink.open(make_run(number=2))
    assert (folder / "part-000009.parquet").read_text() == "not of riglog\n"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_of_a_large_recording_the_newest_part_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_parts, "CHECKED_BYTES", 1000)
    DAMAGES["page"](folder / "part-000003.parquet")
    with pytest.raises(StorageError, match=DAMAGED):
        await ParquetSink(folder).open(make_run(number=2))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_export_is_saved_too(folder: Path) -> None:
    rows = list(read(folder))
    part = folder / "part-000001.parquet"
    export = folder.parent / "one.parquet"
    export.write_bytes(part.read_bytes())
    DAMAGES["page"](export)
    assert read_until_damage(export) == rows[:10]
    assert salvage(export, folder.parent / "saved.parquet").rows == 30


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_damage_is_no_error_of_a_recording_that_starts_anew(folder: Path) -> None:
    """Its columns are those of a row: riglog wrote it, and the user wants it replaced."""
    damage(folder, "page")
    run = make_run(number=2)
    await store(ParquetSink(folder, overwrite=True), run, list(steady(run, [WARM], 5)))
    assert len(list(read(folder))) == 5
