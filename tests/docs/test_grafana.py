"""The dashboard for Grafana: known to its schema, and every query gives what was recorded. No Grafana is started."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from pictured import pictured
from postgres import ask, server

from riglog.model import NS
from riglog.recordings import latest_rows, read
from riglog.recordings.selection import nanoseconds
from riglog.sinks.postgres import forward

pytestmark = [pytest.mark.real_time, pytest.mark.slow]
FOLDER = Path(__file__).parents[2] / "docs" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "riglog.json").read_text(encoding="utf-8"))
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "riglog"}
START, END = "2026-11-20T12:00:00Z", "2026-11-20T12:10:00Z"
VALUES = {"host": ["lab-pc", "o'brien"], "device": ["oven1", "oven2"], "unit": ["degC", "bar"]}


def queries() -> dict[str, str]:
    """The SQL of the dashboard, by the name of its variable, annotation or panel."""
    found = {f"variable {each['name']}": each["query"] for each in DASHBOARD["templating"]["list"]}
    found |= {f"annotation {each['name']}": each["target"]["rawSql"] for each in DASHBOARD["annotations"]["list"]}
    return found | {each["title"]: target["rawSql"] for each in DASHBOARD["panels"] for target in each["targets"]}


def expanded(sql: str) -> str:
    """The SQL that Grafana sends. Source: its documentation of the macros, and of the format ``sqlstring``."""

    def group(found: re.Match[str]) -> str:
        column, interval = found[2], 10
        alias = ' AS "time"' if found[1] else ""
        return f"floor(extract(epoch from {column})/{interval})*{interval}{alias}"

    sql = re.sub(r"\$__timeGroup(Alias)?\((\w+), \$__interval(?:, NULL)?\)", group, sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN '{START}' AND '{END}'", sql)
    for name, values in VALUES.items():
        quoted = ",".join("'{}'".format(value.replace("'", "''")) for value in values)
        sql = sql.replace(f"${{{name}:sqlstring}}", quoted)
    assert "$" not in sql
    return sql


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("grafana") / "kiln.sqlite", 12, 120)


@pytest.fixture(scope="module")
def database(recording: Path) -> Iterator[str]:
    with server() as url:
        anyio.run(lambda: forward(recording, url))
        yield url


@pytest.fixture(scope="module")
def results(database: str) -> dict[str, list[Any]]:
    async def run() -> dict[str, list[Any]]:
        return {name: await ask(database, expanded(sql)) for name, sql in queries().items()}

    return anyio.run(run)


def test_every_query_runs_and_gives_rows(results: dict[str, list[Any]]) -> None:
    assert len(results) == 10
    assert [name for name, rows in results.items() if not rows] == []


def test_the_variables_list_what_was_recorded(results: dict[str, list[Any]]) -> None:
    assert results["variable host"] == [("lab-pc",)]
    assert results["variable device"] == [("oven1",), ("oven2",)]
    assert results["variable unit"] == [("bar",), ("degC",), ("l/min",)]


def test_the_newest_values_are_those_of_the_recording(recording: Path, results: dict[str, list[Any]]) -> None:
    found = {row[1:4]: (row[4], row[6], row[7]) for row in results["Newest value of every channel"]}
    expected = {
        (row.device, row.parameter, row.instance): (row.value, row.unit, row.status) for row in latest_rows(recording)
    }
    assert found == expected


def test_the_means_are_those_of_the_recording(recording: Path, results: dict[str, list[Any]]) -> None:
    """Only channels in the units that were chosen, and no point where no value was recorded."""
    expected: dict[tuple[float, str], list[float]] = {}
    for row in read(recording):
        if row.value is not None and row.unit in VALUES["unit"]:
            name = f"lab-pc {row.device}.{row.parameter}" + (f"[{row.instance}]" if row.instance != 1 else "")
            at = nanoseconds(row.received_at) // NS // 10 * 10
            expected.setdefault((float(at), name), []).append(row.value)
    found = {(float(at), name): mean for at, name, mean in results["$unit"]}
    assert found == {key: pytest.approx(sum(each) / len(each), rel=1e-12) for key, each in expected.items()}
    dead = {at for at, name in found if name == "lab-pc oven2.pressure"}
    assert len(dead) < len({at for at, name in found if name == "lab-pc oven1.pressure"})


def test_availability_and_statuses_are_those_of_the_recording(recording: Path, results: dict[str, list[Any]]) -> None:
    rows = list(read(recording))
    oven2 = [row for row in rows if (row.device, row.parameter) == ("oven2", "pressure")]
    (found,) = (row for row in results["Availability"] if row[1:3] == ("oven2", "pressure"))
    with_value = sum(row.value is not None for row in oven2)
    assert found[4:6] == (len(oven2), with_value)
    assert float(found[6]) == pytest.approx(100 * with_value / len(oven2))
    not_ok = [row for row in rows if row.status != "ok"]
    assert sum(count for _, _, count in results["Rows that are not ok"]) == len(not_ok)


def test_annotations_have_a_time_a_text_and_tags(results: dict[str, list[Any]]) -> None:
    kinds = [tags for _, _, tags in results["annotation Notes, alarms, failures"]]
    assert kinds.count("note") == 3
    assert {"alarm_raised", "alarm_cleared", "device_not_responding", "write"} <= set(kinds)


def test_the_role_of_the_how_to_page_can_read_and_not_write(database: str) -> None:
    page = (FOLDER.parent / "how-to" / "show-in-grafana.md").read_text(encoding="utf-8")
    (statements,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    for statement in filter(str.strip, statements.split(";\n")):
        anyio.run(ask, database, statement.strip())
    rights = "SELECT has_table_privilege('grafana', 'riglog.samples', $1)"
    for right, allowed in (("SELECT", True), ("INSERT", False), ("DELETE", False)):
        assert anyio.run(ask, database, rights, right) == [(allowed,)]


def test_every_part_uses_the_provisioned_data_source() -> None:
    parts = [*DASHBOARD["templating"]["list"], *DASHBOARD["annotations"]["list"], *DASHBOARD["panels"]]
    parts += [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert all(part["datasource"] == SOURCE for part in parts)
    yaml = pytest.importorskip("yaml")
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/riglog.yaml").read_text())["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == SOURCE
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/riglog.yaml").read_text())["providers"]
    assert provider["type"] == "file"


def test_panels_have_identities_and_do_not_lie_on_one_another() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_the_schema_of_grafana_knows_every_key() -> None:
    """The kit of Grafana Labs is generated from the schema: what it does not know is not in what it writes again."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard", reason="pip install grafana-foundation-sdk")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    known = json.loads(json.dumps(models.Dashboard.from_json(DASHBOARD), cls=encoder.JSONEncoder))
    assert list(unknown(DASHBOARD, known, "")) == []


def unknown(written: Any, known: Any, where: str) -> Iterator[str]:
    """The places of a document that are not in another one. Queries are those of a data source, not of the schema."""
    if re.search(r"\.(targets\.\d+|target|options)$", where):
        return
    if isinstance(written, dict) and isinstance(known, dict):
        for key, value in written.items():
            if key not in known:
                yield f"{where}.{key}"
            else:
                yield from unknown(value, known[key], f"{where}.{key}")
    elif isinstance(written, list) and isinstance(known, list):
        for number, value in enumerate(written):
            yield from unknown(value, known[number], f"{where}.{number}")
    elif written != known:
        yield f"{where}: {written!r} is {known!r}"
