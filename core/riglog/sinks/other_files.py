"""What a file is that was given in place of a recording, so that the error says what to do."""

from pathlib import Path

from riglog.errors import NotARecordingError
from riglog.sinks import csv, jsonl, parquet
from riglog.sinks.disk import read_beginning
from riglog.sinks.files import first_line
from riglog.sinks.parquet_parts import parts

RIG_FILE_BYTES = 1_000_000
ROW_FILES = ((csv.CSV_FORMAT, "CSV"), (jsonl.JSONL_FORMAT, "JSON Lines"), (parquet.PARQUET_FORMAT, "Parquet"))


def refuse_row_files(path: Path) -> None:
    """Refuse a recording or export that is not SQLite, where only SQLite has what is needed, such as events.

    Raises:
        NotARecordingError: it is one.
    """
    if not path.exists():
        return
    if path.is_dir():
        kinds = ["Parquet"] if parts(path) else []
    else:
        first = first_line(path)
        kinds = [name for format, name in ROW_FILES if format.recognizes(first)]
    for kind in kinds:
        raise NotARecordingError(
            f"this is {kind}; only an SQLite recording can be used here",
            hint="Give the SQLite recording; a rig file without one needs a [[sink]] of type sqlite. `riglog gaps` and"
            " riglog.read also read CSV, JSON Lines and Parquet",
            path=path,
        )


def refuse_known_files(path: Path) -> None:
    """Refuse what is often confused with a recording: a rig file, a wide export.

    Raises:
        NotARecordingError: it is one of them.
    """
    if not path.is_file():
        return
    if (name := _run_of_rig_file(path)) is not None:
        raise NotARecordingError(
            "this is a rig file, not a recording",
            hint=f"Record it with `riglog record {path}`, then give the recording: the path of its [[sink]], or"
            f" {name}.sqlite if it has none",
            path=path,
        )
    if _is_wide(first_line(path)):
        raise NotARecordingError(
            "this is a wide export, which cannot be read back",
            hint="Give the recording from which it was made",
            path=path,
        )


def _run_of_rig_file(path: Path) -> str | None:
    """Return the name of the run of a rig file; None if the file is something else."""
    import tomllib

    data = read_beginning(path, RIG_FILE_BYTES)
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not {"run", "device"} & table.keys():
        return None
    run = table.get("run")
    return str(run.get("name", "run")) if isinstance(run, dict) else "run"


def _is_wide(first: bytes) -> bool:
    """Return True for the first line of a wide export in CSV or JSON Lines."""
    names = first.lstrip(b"{ ").replace(b'"', b"")
    return names.startswith((b"run,time,", b"run,tick,time,")) or (
        first.startswith(b"{") and b'"run":' in first and b'"time":' in first
    )
