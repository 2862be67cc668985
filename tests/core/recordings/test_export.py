"""Export: equal rows in every format, a complete file or none, in constant memory."""

import io
import tracemalloc
from pathlib import Path

import anyio
import pytest
from recorded import GAS, WARM, make_run, sqlite_recording, steady, store

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.recordings import Selection, export, read
from riglog.sinks import CsvSink, JsonlSink, ParquetSink, SqliteSink

RUN = make_run(number=7)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_has_the_rows_of_the_recording(recording: Path, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    assert export(recording, out, format=format).rows == 38
    assert list(read(out)) == list(read(recording))


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_selection_is_exported(recording: Path, tmp_path: Path, format: str) -> None:
    chosen = Selection(run="bench", device="stack", parameter="alarm")
    assert export(recording, tmp_path / "out", format=format, selection=chosen).rows == 3
    assert {row.parameter for row in read(tmp_path / "out")} == {"alarm"}


def test_an_opened_file_is_written_to_and_left_open(recording: Path) -> None:
    out = io.BytesIO()
    export(recording, out, format="csv", selection=Selection(end="2001-01-01"))
    assert out.getvalue().decode().startswith("run,tick,device,")
    assert out.getvalue().count(b"\n") == 1


def test_progress_grows_to_one(recording: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    export(recording, tmp_path / "out", format="csv", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_export_that_fails_does_not_change_an_existing_file(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export(recording, out, format="csv", wide=True)
    before = out.read_bytes()

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(recording, out, format="csv", overwrite=True, progress=stop)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_bytes() == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["recording", "rig.toml", "other.csv", "notes.csv", "rows.csv", "wide.data"])
def test_an_export_replaces_neither_a_recording_nor_a_rig_file_nor_notes(
    recording: Path, tmp_path: Path, name: str, overwrite: bool
) -> None:
    out = recording if name == "recording" else tmp_path / name
    if name == "rig.toml":
        out.write_text("[rig]")
    elif name == "other.csv":  # a recording, whatever its name is
        out.write_bytes(recording.read_bytes())
    elif name == "notes.csv":
        out.write_text("run,time,remark\n1,2,precious\n")
    elif name == "rows.csv":  # a recording in CSV has the same rows as an export
        anyio.run(store, CsvSink(out), RUN, list(steady(RUN, [WARM], 3)))
    elif name == "wide.data":  # an export in another format
        export(recording, out, format="jsonl", wide=True)
    before = out.read_bytes()
    with pytest.raises(StorageError, match="file exists and is not an export"):
        export(recording, out, format="csv", overwrite=overwrite)
    assert out.read_bytes() == before


def test_a_part_of_a_parquet_recording_is_not_an_export(recording: Path, tmp_path: Path) -> None:
    anyio.run(store, ParquetSink(tmp_path / "rows"), RUN, list(steady(RUN, [WARM], 3)))
    (part,) = (tmp_path / "rows").iterdir()
    before = part.read_bytes()
    with pytest.raises(StorageError, match="file exists and is not an export in parquet"):
        export(recording, part, format="parquet", overwrite=True)
    assert part.read_bytes() == before


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_earlier_export_is_replaced_only_when_wanted(
    recording: Path, tmp_path: Path, format: str, wide: bool
) -> None:
    out = tmp_path / "out"
    export(recording, out, format=format, wide=not wide, selection=Selection(run="bench"))
    before = out.read_bytes()
    with pytest.raises(StorageError, match="file exists and was not overwritten"):
        export(recording, out, format=format, wide=wide)
    assert out.read_bytes() == before
    export(recording, out, format=format, wide=wide, overwrite=True)
    assert out.read_bytes() != before
    export(recording, out, format=format, wide=wide, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", ["precious.csv", "not there.csv"])
def test_a_link_is_neither_followed_nor_replaced(recording: Path, tmp_path: Path, target: str) -> None:
    export(recording, tmp_path / "precious.csv", format="csv", wide=True)
    (tmp_path / "out.csv").symlink_to(tmp_path / target)
    before = (tmp_path / "precious.csv").read_bytes()
    with pytest.raises(StorageError, match=r"file exists and is not an export|link to a file that does not exist"):
        export(recording, tmp_path / "out.csv", format="csv", overwrite=True)
    assert (tmp_path / "out.csv").is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.csv", "precious.csv"]
    assert (tmp_path / "precious.csv").read_bytes() == before


def test_a_file_that_appears_during_the_export_is_kept(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def write_notes(share: float) -> None:
        out.write_text("precious")

    for overwrite in (False, True):
        with pytest.raises(StorageError, match="file exists"):
            export(recording, out, format="csv", overwrite=overwrite, progress=write_notes)
        assert out.read_text() == "precious"
        out.unlink()


def test_a_link_at_the_name_of_the_incomplete_file_is_not_followed(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.urandom", bytes)
    (tmp_path / "precious").write_text("precious")
    planted = tmp_path / f".riglog-{bytes(8).hex()}.new"
    planted.symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError, match="File exists"):
        export(recording, tmp_path / "out.csv", format="csv")
    assert (tmp_path / "precious").read_text() == "precious"
    assert planted.is_symlink()


@pytest.mark.parametrize("kind", [CsvSink, JsonlSink])
@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_sink_does_not_continue_an_export(
    recording: Path, tmp_path: Path, kind: type[CsvSink | JsonlSink], overwrite: bool
) -> None:
    out = tmp_path / "out"
    export(recording, out, format=kind.name)
    before = out.read_bytes()
    with pytest.raises(NotARecordingError, match="file exists and is an export"):
        await kind(out, overwrite=overwrite).check()
    assert out.read_bytes() == before


def test_bad_input_is_refused(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format"):
        export(recording, tmp_path / "out", format="xls")
    with pytest.raises(ConfigError, match="wide"):
        export(recording, tmp_path / "out", format="csv", every=1.0)
    with pytest.raises(StorageError, match="directory not found"):
        export(recording, tmp_path / "nowhere" / "out", format="csv")
    with pytest.raises(NotARecordingError):
        export(Path(__file__), tmp_path / "out", format="csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, wide: bool) -> None:
    peaks = []
    for name, ticks in (("short", 18_000), ("long", 36_000)):
        path, run = tmp_path / name, make_run()
        anyio.run(store, SqliteSink(path), run, list(steady(run, [WARM, GAS], ticks)))
        tracemalloc.start()
        export(path, tmp_path / f"{name}.csv", format="csv", wide=wide)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


async def test_a_recording_that_is_being_written_can_be_exported(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await sqlite_recording(path, make_run(number=5))
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(list(steady(run, [WARM], 10)), [])
    assert export(path, tmp_path / "out", format="csv").rows == 29
    await sink.aclose()
