"""A central database as the source of a page: all hosts and rigs, and nothing is ever written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from live_page import Page, shown
from msgspec import structs
from postgres import ask, server
from recorded import START, WARM, ZONE, make_run, stamp, steady, store

from riglog.errors import ConfigError, StorageError
from riglog.live.laboratory import LaboratorySource
from riglog.model import NS, Batch, Event, EventKind, Run, Sample, Status, missing_sample
from riglog.sinks import SqliteSink
from riglog.sinks.postgres import forward
from riglog.sinks.postgres.address import parse
from riglog.sinks.postgres.reader import CentralReader

pytestmark = [pytest.mark.real_time, pytest.mark.xdist_group("postgres of the live page")]
SCHEMA = "lab"


def at(seconds: float) -> int:
    return START + round(seconds * NS)


async def forwarded(path: Path, url: str, run: Run, batches: list[Batch], *events: Event) -> None:
    """Record a run to its end, and forward it."""
    await store(SqliteSink(path), run, batches, events)
    await forward(path, url, schema=SCHEMA)


async def recorded_so_far(path: Path, url: str, run: Run, batches: list[Batch], *events: Event) -> None:
    """Record a run and forward it while it is being recorded."""
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(batches, events)
    await forward(path, url, schema=SCHEMA)
    await sink.aclose()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two hosts with equal names of devices: one rig records, with a device that is dead; the other has ended."""
    folder = tmp_path_factory.mktemp("lab")
    with server() as url:
        one, two = make_run("kiln", host="north"), make_run("oven", host="south")
        dead = [
            Batch("bus", tick, [missing_sample(ZONE, stamp(one, tick / 2), Status.MISSING, "no reply")])
            for tick in range(4, 60)
        ]
        alarm = Event(at(5), EventKind.ALARM_RAISED, "too hot on process_value: 5.1 is above 5", "oven")
        ended = Event(at(40), EventKind.RUN_FINISHED, "run finished")
        batches = [*steady(one, [WARM, ZONE], 4), *steady(one, [WARM], 56, first=4), *dead]
        anyio.run(recorded_so_far, folder / "1.sqlite", url, one, batches, alarm)
        others = list(steady(two, [WARM], 3_000))
        for tick, status in ((705, Status.SUSPECT), (711, Status.FAULT), (712, Status.SUSPECT)):
            samples = [structs.replace(each, status=status) for each in others[tick].samples]
            others[tick] = structs.replace(others[tick], samples=samples)
        anyio.run(forwarded, folder / "2.sqlite", url, two, others, ended)
        yield url


@pytest.fixture
def page(database: str) -> Iterator[Page]:
    source = LaboratorySource(CentralReader(parse(database), SCHEMA), shown)
    found = Page(source)
    found.feed.take(source.look(at(30)))
    yield found
    source.close()


def channels(page: Page) -> dict[tuple[str, int], dict[str, Any]]:
    return {(each["host"], each["instance"]): each for each in page.json("/api/latest")["channels"]}


def test_all_hosts_are_on_one_page_with_what_is_dead_and_in_alarm(page: Page) -> None:
    found = channels(page)
    assert {key: each["condition"] for key, each in found.items()} == {
        ("north", 1): "live",
        ("north", 2): "dead",
        ("south", 1): "ended",
    }
    dead = found["north", 2]
    assert (dead["shown"], dead["status"], dead["error"]) == ("3.1", "missing", "no reply")
    assert page.json("/api/latest")["message"] == (
        "hosts: 2, rigs without an end: 1, live: 1, old: 0, dead: 1, alarms: 1"
    )
    (alarm,) = page.json("/api/alarms")["alarms"]
    assert (alarm["name"], alarm["channel"], alarm["text"]) == (
        "too hot",
        "north: oven.process_value",
        "5.1 is above 5",
    )
    assert [run["host"] for run in page.json("/api/runs")["runs"]] == ["north", "south"]
    assert {event["kind"] for event in page.json("/api/events")["events"]} == {"alarm_raised", "run_finished"}
    assert page.feed.source.worst_first


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_charts_are_those_of_sql(database: str, page: Page) -> None:
    number = channels(page)["south", 1]["id"]
    span = f"channel={number}&from={START / 1e6}&to={START / 1e6 + 1500e3}"
    (buckets,) = page.json(f"/api/series?{span}&buckets=100")["series"]
    width = round(buckets["width_ms"] * 1000)
    expected = await ask(
        database,
        f"SELECT count(*), count(value), min(value), max(value), avg(value) FROM {SCHEMA}.samples WHERE host = 'south'"
        f" GROUP BY date_bin('{width} microseconds', received_at, 'epoch')"
        f" ORDER BY date_bin('{width} microseconds', received_at, 'epoch')",
    )
    names = ("rows", "count", "low", "high", "mean")
    assert list(zip(*(buckets[name] for name in names), strict=True)) == expected
    marked = [(round((at - START / 1e6) / 500), value, status) for at, value, status in buckets["marked"]]
    assert marked == [(705, 705.1, "suspect"), (711, 711.1, "fault")]
    (rows,) = page.json(f"/api/series?channel={number}&from={START / 1e6}&to={START / 1e6 + 5000}")["series"]
    assert (rows["width_ms"], rows["mean"]) == (None, [tick + 0.1 for tick in range(10)])


def test_new_rows_are_points_and_a_dead_row_is_a_gap(database: str, tmp_path: Path) -> None:
    source = LaboratorySource(CentralReader(parse(database), SCHEMA), shown)
    source.look(at(0))
    run = make_run("third", host="west", number=2)
    grown = list(steady(run, [structs.replace(WARM, device="new")], 4))
    anyio.run(forwarded, tmp_path / "3.sqlite", database, run, grown)
    look = source.look(at(7200))
    number = next(channel.id for channel in look.channels if channel.host == "west")
    assert look.points == {}  # a channel that was not there before is fetched as a whole
    more = Sample(channel=structs.replace(WARM, device="new"), stamp=stamp(run, 9.0), value=7.5, unit="degC")
    later = make_run("third", host="west", number=3)
    anyio.run(forwarded, tmp_path / "4.sqlite", database, later, [Batch("bus", 9, [more])])
    look = source.look(at(7210))
    assert [value for _, value in look.points.get(number, [])] == [7.5]
    source.close()


def test_a_database_that_is_gone_is_a_state_and_what_it_had_is_still_shown(database: str) -> None:
    source = LaboratorySource(CentralReader(parse(database), SCHEMA), shown)
    before = source.look(at(30))
    source._reader.address = parse("postgresql://nobody@127.0.0.1:1/none")
    connection = source._reader._connection
    source._reader._loop.call_soon_threadsafe(connection.terminate)
    after = source.look(at(31))
    while after.state == "laboratory":
        after = source.look(at(31))
    assert (after.state, len(after.channels)) == ("unreachable", len(before.channels))
    source.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nothing_can_be_written_through_the_connection(database: str) -> None:
    reader = CentralReader(parse(database), SCHEMA)
    with pytest.raises(StorageError, match="read-only"):
        reader.fetch(f"DELETE FROM {SCHEMA}.samples")
    assert reader.fetch("SELECT 1") == [(1,)]
    reader.close()


def test_a_schema_without_tables_is_refused_and_stays_empty(database: str) -> None:
    reader = CentralReader(parse(database), "other")
    with pytest.raises(StorageError, match="not a riglog schema"):
        LaboratorySource(reader, shown)
    assert reader._connection is None
    reader.close()


def test_wrong_requests_are_refused(page: Page) -> None:
    with pytest.raises(ConfigError, match="no channel has the number 99"):
        page.reply("/api/series?channel=99")
