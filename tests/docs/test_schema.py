"""The schema page describes what is in the files, and its queries run."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import fields
from recorded import WARM, make_run, sqlite_recording, steady, store

from riglog.model import RENAMED_KINDS, EventKind, Status
from riglog.plugin import installed
from riglog.sinks import COLUMNS, SqliteSink
from riglog.sinks.postgres.tables import TABLES
from riglog.sinks.rows import ROW, Kind

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


RECIPES = re.findall(r"^```sql\n(.*?)^```", section("Queries"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with everything in them, and a minute of one channel."""
    path = tmp_path_factory.mktemp("docs") / "run.sqlite"

    async def record() -> None:
        await sqlite_recording(path, make_run(number=1), make_run(number=2))
        run = make_run(number=3)
        await store(SqliteSink(path), run, list(steady(run, [WARM], 120)))

    anyio.run(record)
    return path


def test_every_column_is_there_in_its_order_with_its_type() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+)(, never \w+)? \|", section("The row"), re.MULTILINE)
    assert tuple(name for name, _, _ in rows) == COLUMNS
    kinds = {"text": Kind.TEXT, "integer": Kind.INTEGER, "real": Kind.REAL, "time": Kind.TIME}
    assert [(kinds[kind], bool(never)) for _, kind, never in rows] == [(one.kind, one.required) for one in ROW]


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_named(status: str) -> None:
    assert f"`{status}`" in section("The row")


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_is_explained_with_its_earlier_name(kind: str) -> None:
    (line,) = [line for line in section("Events").splitlines() if re.match(rf"\|.*`{kind}`.*\|.*\|.*\|", line)][:1]
    earlier = [old for old, new in RENAMED_KINDS.items() if new == kind]
    assert all(f"`{old}`" in line.rsplit(" | ", 1)[1] for old in earlier)


@pytest.mark.parametrize("name", ["sqlite", "csv", "jsonl", "parquet", "memory", "postgres"])
def test_every_sink_is_there_with_all_of_its_keys(name: str) -> None:
    line = next(line for line in section("The sinks").splitlines() if line.startswith(f"| `{name}` |"))
    keys = {field.encode_name for field in fields(installed().sink(name).config)} - {"type"}
    assert set(re.findall(r"`(\w+)`", line.rsplit(" | ", 1)[1])) == keys


def test_every_table_and_column_of_the_file_is_there(recording: Path) -> None:
    listed: dict[str, list[str]] = {}
    for table, columns in re.findall(r"^\| (?:`(\w+)`)? ?\| (`[^|]+) \|", section("The SQLite file"), re.MULTILINE):
        table = table or list(listed)[-1]  # a line without a table belongs to the table above
        listed.setdefault(table, []).extend(re.findall(r"`(\w+)`", columns))
    with closing(sqlite3.connect(recording)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        there = {name: [row[1] for row in file.execute(f"PRAGMA table_info({name})")] for name in tables}
    assert listed == there


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_of_the_central_database_is_there_with_its_key(table: Any) -> None:
    line = next(line for line in section("PostgreSQL").splitlines() if line.startswith(f"| `{table.name}` |"))
    columns = "the row, `host`, `sequence`" if table.name == "samples" else f"`{', '.join(table.names)}`"
    assert line == f"| `{table.name}` | {columns} | `{', '.join(table.key)}` |"


async def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await sqlite_recording(tmp_path / "kiln-7.sqlite")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["row"].device == "oven"
    assert len(names["frame"]) == 19


def query(path: Path, sql: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as file:
        file.row_factory = sqlite3.Row
        return [dict(row) for row in file.execute(sql)]


def test_there_is_a_recipe_for_each_common_query() -> None:
    assert len(RECIPES) == 7


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_and_finds_something(recording: Path, recipe: str) -> None:
    assert query(recording, recipe)


def test_the_recipes_give_the_right_numbers(recording: Path) -> None:
    latest, span, hours, averages, availability, beside, _ = (query(recording, recipe) for recipe in RECIPES)
    oven = next(row for row in latest if row["parameter"] == "process_value" and row["instance"] == 1)
    assert oven["value"] == 119.1
    assert oven["received_at"].startswith("2026-11-20T15:00:59.")
    minute = [row for row in averages if row["since"] >= "2026-11-20T15" and row["parameter"] == "process_value"]
    assert [row["n"] for row in minute] == [20] * 6
    assert minute[0]["mean"] == pytest.approx(9.6)
    missing = {row["parameter"]: row for row in availability if row["instance"] == 2}["process_value"]
    assert (missing["slots_due"], missing["with_value"], missing["percent"]) == (6, 0, 0.0)
    assert missing["errors"].startswith("no reply")
    assert {(row["parameter"], row["tick"]) for row in beside} == {("process_value", tick) for tick in range(3)}
    assert [row["value"] for row in span] == [tick + 0.1 for tick in range(120)]
    newest = {key: hours[-1][key] for key in ("since", "n", "low", "high")}
    assert newest == {"since": "2026-11-20T15:00:00Z", "n": 120, "low": 0.1, "high": 119.1}
    assert hours[-1]["mean"] == pytest.approx(59.6)
