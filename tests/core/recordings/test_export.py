"""Export: equal rows in every format, a complete file or none, in constant memory."""

import io
import tracemalloc
from pathlib import Path

import anyio
import pytest
from recorded import GAS, WARM, make_run, sqlite_recording, steady, store

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.recordings import Selection, export, read
from riglog.sinks import SqliteSink


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
    export(recording, out, format="csv", selection=Selection(device="nobody"))
    assert out.getvalue().decode().startswith("run,tick,device,")
    assert out.getvalue().count(b"\n") == 1


def test_progress_grows_to_one(recording: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    export(recording, tmp_path / "out", format="csv", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_export_that_fails_does_not_change_an_existing_file(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(recording, out, format="csv", progress=stop)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_text() == "precious"


@pytest.mark.parametrize("name", ["recording", "rig.toml", "other.csv"])
def test_an_export_replaces_neither_a_recording_nor_a_rig_file(recording: Path, tmp_path: Path, name: str) -> None:
    out = recording if name == "recording" else tmp_path / name
    if name == "rig.toml":
        out.write_text("[rig]")
    elif name == "other.csv":  # a recording, whatever its name is
        out.write_bytes(recording.read_bytes())
    before = out.read_bytes()
    with pytest.raises(StorageError, match="file exists and is not an export"):
        export(recording, out, format="csv")
    assert out.read_bytes() == before


def test_bad_input_is_refused(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format"):
        export(recording, tmp_path / "out", format="xlsx")
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
    for name, ticks in (("short", 6_000), ("long", 18_000)):
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
