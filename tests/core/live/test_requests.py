"""Requests of browsers, other web pages and programs: who gets what."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from live_page import Page, source_of
from pictured import pictured, run_of
from prometheus_client.parser import text_string_to_metric_families
from recorded import EVENTS, START, WARM, make_run, sqlite_recording, steady, store

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.live.access import Access, given_token, is_loopback, new_token
from riglog.live.metrics import metrics
from riglog.live.recording import SqliteSource
from riglog.live.requests import STATIC
from riglog.live.source import LiveAlarm, LiveChannel, Look
from riglog.recordings import read_alarms, read_notes
from riglog.sinks import CsvSink, SqliteSink

HOSTILE = 'a"b\\c\n</script><script>alert(1)</script>\u202e\x1b[31m'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path, run = tmp_path / "a.sqlite", make_run()
    anyio.run(store, SqliteSink(path), run, list(steady(run, [WARM], 20)), EVENTS)
    return path


@pytest.fixture
def page(path: Path) -> Page:
    return Page(source_of(path))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8470", True),
        ("localhost:8470", True),
        ("[::1]:8470", True),
        ("LOCALHOST", True),
        ("evil.example:8470", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.7:8470", False),
        ("", False),
        ("localhost:8470@evil.example", False),
        (":8470", False),
    ],
)
def test_a_name_that_is_not_that_of_this_server_gets_nothing(page: Page, host: str, known: bool) -> None:
    assert (page.reply("/api/latest", Host=host).status == 200) is known


def test_beyond_this_computer_every_request_needs_the_token(path: Path) -> None:
    token = new_token()
    page = Page(source_of(path), token, "0.0.0.0")
    for address in ("/", "/api/latest", "/metrics", "/api/stream", "/static/page.js", "/api/session"):
        assert page.reply(address).status == 401
    assert page.reply("/?token=wrong").status == 401
    entered = page.reply(f"/?token={token}", Host="192.168.1.7:8470")
    assert (entered.status, entered.headers["Location"]) == (303, "/")
    cookie = entered.headers["Set-Cookie"]
    assert token not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert page.reply("/api/latest", Cookie=cookie.partition(";")[0]).status == 200
    assert page.reply("/api/latest", Authorization=f"Bearer {token}").status == 200
    for wrong in ("Bearer x", "Basic eA==", f"bearer{token}", "Bearer Größe"):
        assert page.reply("/api/latest", Authorization=wrong).status == 401
    assert page.reply("/api/latest", Host="evil.example", Authorization=f"Bearer {token}").status == 421


def test_two_pages_of_a_computer_and_other_cookies_do_not_disturb_each_other(path: Path) -> None:
    pages = [Page(source_of(path), new_token(), "0.0.0.0") for _ in range(2)]
    cookies = ['theirs={"a": "b;c"}', "x=y=z", "=", "grafana_session"]  # others may have any form
    for number, page in enumerate(pages):
        page.access.port = 8470 + number
        cookies.insert(1, page.reply(f"/?token={page.access.token}").headers["Set-Cookie"].partition(";")[0])
    for page in pages:
        assert page.reply("/api/latest", Cookie="; ".join(cookies)).status == 200


def test_the_address_that_is_listened_on_is_a_name_of_the_server(path: Path) -> None:
    for address, host in (("127.0.0.2", "127.0.0.2:8470"), ("::1", "[::1]:8470")):
        assert Page(source_of(path), None, address).reply("/api/latest", Host=host).status == 200
    assert Page(source_of(path)).reply("/api/latest", Host="127.0.0.2:8470").status == 421


@pytest.mark.parametrize("span", ["from=-1e15&to=1e15", "from=0&to=9.3e12", "from=-9.9e15", "to=9.9e15"])
def test_times_that_no_recording_can_have_are_as_far_as_one_can_reach(page: Page, span: str) -> None:
    assert page.json(f"/api/events?{span}")["events"] == page.json("/api/events")["events"]
    if "from" in span and "to" in span:
        (found,) = page.json(f"/api/series?channel=1&{span}")["series"]
        assert sum(found["rows"] or [len(found["t"])]) == 20


def test_a_name_can_be_added(path: Path) -> None:
    access = Access("0.0.0.0", "t" * 20, ["lab.example.org"])
    assert access.is_known_host("lab.example.org")
    assert not access.is_known_host("lab.example.com")


def test_a_token_is_taken_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    monkeypatch.delenv("RIGLOG_LIVE_TOKEN", raising=False)
    assert given_token(None) is None
    monkeypatch.setenv("RIGLOG_LIVE_TOKEN", "from-the-environment")
    assert given_token(None) == "from-the-environment"
    file.write_text("from-the-file-itself\n")
    assert given_token(file) == "from-the-file-itself"
    for short in ("short", "with blanks in the middle of it", "mit-Umlauten-äöü-und-lang"):
        file.write_text(short, encoding="utf-8")
        with pytest.raises(ConfigError, match="too short"):
            given_token(file)
    with pytest.raises(ConfigError, match="cannot read"):
        given_token(tmp_path / "none")
    assert len({new_token() for _ in range(9)}) == 9


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab", False)],
)
def test_which_addresses_only_this_computer_reaches(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def post(page: Page, content: Any, address: str = "/api/notes", **changes: str | None) -> tuple[int, Any]:
    headers = {
        "Content_Type": "application/json",
        "Origin": "http://127.0.0.1:8470",
        "Sec_Fetch_Site": "same-origin",
        "X_Riglog_Token": page.access.note_token,
    } | changes
    given = {name: value for name, value in headers.items() if value is not None}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    reply = page.reply(address, "POST", body, **given)
    return reply.status, json.loads(reply.body)


def test_a_note_of_the_page_gets_into_the_recording(page: Page, path: Path) -> None:
    status, found = post(page, {"text": "door opened", "author": "Anna", "device": "oven"})
    assert (status, found) == (200, {"state": "stored"})
    (note,) = read_notes(path)
    assert (note.text, note.author, note.device) == ("door opened", "Anna", "oven")
    assert note.program is not None
    assert note.program.startswith("riglog live ")
    assert page.json("/api/notes")["notes"][0]["text"] == "door opened"


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_Riglog_Token": None},
        {"X_Riglog_Token": "guess"},
        {"Content_Type": "text/plain"},
        {"Content_Type": None},
    ],
)
def test_a_note_of_another_page_is_refused(page: Page, path: Path, changes: dict[str, str | None]) -> None:
    assert post(page, {"text": "x", "author": "y"}, **changes)[0] == 403
    assert post(page, {"alarm": "x", "author": "y"}, "/api/alarms", **changes)[0] == 403
    assert list(read_notes(path)) == []


def test_an_acknowledgement_of_the_page_gets_into_the_recording(tmp_path: Path) -> None:
    path = pictured(tmp_path / "a.sqlite", 6, 60)
    page = Page(source_of(path))
    assert {alarm["name"]: alarm["acknowledged"] for alarm in page.json("/api/alarms")["alarms"]} == {
        "hot": False,
        "flow low": False,
    }
    assert post(page, {"alarm": "flow low", "author": "Anna"}, "/api/alarms") == (200, {"state": "stored"})
    page.look()
    assert {alarm["name"]: alarm["acknowledged"] for alarm in page.json("/api/alarms")["alarms"]} == {
        "hot": False,
        "flow low": True,
    }
    (alarm,) = (alarm for alarm in read_alarms(path) if alarm.name == "flow low")
    assert alarm.by == "Anna"
    for refused in ({"alarm": "cold", "author": "Anna"}, {"alarm": "hot", "author": " "}):
        with pytest.raises(ConfigError):
            post(page, refused, "/api/alarms")
    assert post(page, {"alarm": "hot", "author": "Anna", "text": "x"}, "/api/alarms")[0] == 400


@pytest.mark.parametrize(("run", "names"), [(None, ["hot", "flow low"] * 2), ("kiln.0001", ["hot", "flow low"])])
def test_a_chart_has_the_times_of_alarms(tmp_path: Path, run: str | None, names: list[str]) -> None:
    path = pictured(tmp_path / "a.sqlite", 6, 60, runs=2)
    query = "channel=1&from=0&to=9e12" + (f"&run={run}" if run else "")
    found = Page(source_of(path)).json(f"/api/series?{query}")["alarms"]
    assert [band["name"] for band in found] == names
    start = run_of(1).started_ns / 1e6
    assert found[-2] == {
        "name": "hot",
        "channel": "oven1.process_value",
        "from_ms": start + 12e3,
        "to_ms": start + 24e3,
        "open": False,
    }
    assert (found[-1]["from_ms"], found[-1]["to_ms"], found[-1]["open"]) == (start + 54e3, start + 60e3, False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"text": 1}', {"text": "x"}, {"text": "x", "author": "y", "more": 1}, b"\xff"]
)
def test_what_is_not_a_note_is_refused(page: Page, content: Any) -> None:
    assert post(page, content)[0] == 400


@pytest.mark.parametrize(
    "note", [{"text": " ", "author": "A"}, {"text": "x", "author": " "}, {"text": "x", "author": "A" * 101}]
)
def test_a_note_needs_a_text_and_an_author(page: Page, path: Path, note: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        post(page, note)
    assert list(read_notes(path)) == []


@pytest.mark.parametrize("address", ["/api/latest", "/", "/api/series", "/api/runs", "/api/session"])
def test_nothing_else_can_be_posted(page: Page, address: str) -> None:
    assert page.reply(address, "POST", b"{}").status == 405


@pytest.mark.parametrize(
    "address", ["/../pyproject.toml", "/static/../page.html", "/static/", "/etc/passwd", "/api/", "//"]
)
def test_there_are_no_other_pages(page: Page, address: str) -> None:
    assert page.reply(address).status == 404


def test_the_page_loads_what_the_server_has_and_nothing_else(page: Page) -> None:
    html = page.reply("/").body.decode()
    for name in STATIC:
        assert page.reply(name).status == 200
        assert name == "/" or f'"{name}"' in html
    everything = "".join(page.reply(name).body.decode() for name in STATIC)
    assert "https://" not in everything
    assert "http://" not in everything.replace("http://www.w3.org/2000/svg", "")
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " onclick", "style="):
        assert dangerous not in everything


def test_programs_get_channels_values_events_runs_and_alarms(tmp_path: Path) -> None:
    path = tmp_path / "all.sqlite"
    anyio.run(sqlite_recording, path, make_run(), make_run("other", number=1))
    page = Page(source_of(path))
    channels = {channel["name"]: channel for channel in page.json("/api/channels")["channels"]}
    assert channels["oven.process_value[2]"]["instance"] == 2
    latest = {channel["name"]: channel for channel in page.json("/api/latest")["channels"]}
    assert latest["oven.control_mode"]["shown"] == "62 (heat)"
    assert latest["stack.I1"]["flags"] == "warming_up alarm1"
    assert latest["oven.process_value[2]"]["value_ms"] is None
    assert [run["name"] for run in page.json("/api/runs")["runs"]] == ["bench", "other"]
    assert page.json("/api/runs")["runs"][0]["rows"] == 19
    events = page.json("/api/events?run=other")["events"]
    assert [event["kind"] for event in events] == ["run_started", "port_lost"]
    assert page.json("/api/events?limit=1")["events"][0]["kind"] == "port_lost"
    assert page.json(f"/api/events?from=0&to={START / 1e6 - 1}")["events"] == []
    assert page.json("/api/alarms") == {"alarms": []}
    with pytest.raises(ConfigError, match="no run 'none'"):
        page.reply("/api/events?run=none")


def test_metrics_can_be_parsed_whatever_the_names_are() -> None:
    channel = LiveChannel(
        id=1,
        host=HOSTILE,
        device=HOSTILE,
        parameter="p",
        instance=2,
        name="n",
        run="r",
        unit="°C",
        value=1.25e-9,
        value_ms=1000.0,
        status="ok",
    )
    old = LiveChannel(
        id=2, host=None, device="d", parameter="q", instance=1, name="d.q", run="r", unit=None, value=3.0, value_ms=0.0
    )
    old.condition = "old"
    alarm = LiveAlarm(name=HOSTILE, channel="d.q", state="raised", acknowledged=False, at_ms=None, text=None)
    look = Look(state="recording", channels=[channel, old], points={}, events=[], alarms=[alarm])
    families = {family.name: family for family in text_string_to_metric_families(metrics(look, 3500.0).decode("utf-8"))}
    (value,) = families["riglog_value"].samples
    assert (value.labels["device"], value.labels["unit"], value.value) == (HOSTILE, "°C", 1.25e-9)
    assert [sample.value for sample in families["riglog_value_age_seconds"].samples] == [2.5, 3.5]
    assert [sample.value for sample in families["riglog_channel_live"].samples] == [1.0, 0.0]
    assert families["riglog_alarm_raised"].samples[0].labels["alarm"] == HOSTILE
    states = {sample.labels["state"]: sample.value for sample in families["riglog_state"].samples}
    assert (states["recording"], sum(states.values())) == (1.0, 1.0)


def test_the_values_of_the_metrics_are_those_of_the_recording(page: Page) -> None:
    text = page.reply("/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["riglog_value"].samples == []  # the run has ended: nothing of it is a value of now
    assert [sample.value for sample in families["riglog_row_ok"].samples] == [1.0]


def test_only_sqlite_recordings_have_a_page(tmp_path: Path) -> None:
    run = make_run()
    anyio.run(store, CsvSink(tmp_path / "a.csv"), run, list(steady(run, [WARM], 3)))
    with pytest.raises(ConfigError, match="SQLite recordings only"):
        SqliteSource(tmp_path / "a.csv", lambda value, text: "")
    old = Path(__file__).parents[2] / "support" / "recordings" / "schema-1.sqlite"
    with pytest.raises(StorageError, match="schema 1"):
        SqliteSource(old, lambda value, text: "")
    (tmp_path / "other.txt").write_text("hello")
    with pytest.raises(NotARecordingError):
        SqliteSource(tmp_path / "other.txt", lambda value, text: "")


def test_a_recording_without_a_run_is_empty_and_shows_its_first_run_later(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    path.touch()
    page = Page(source_of(path))
    assert page.json("/api/latest")["state"] == "empty"
    path.unlink()
    anyio.run(store, SqliteSink(path), run, list(steady(run, [WARM], 3)))
    page.look()
    assert page.json("/api/latest")["channels"][0]["shown"] == "2.1"
