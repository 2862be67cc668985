"""Reports: what they state is what SQL gives, they need nothing else, and texts in them are text."""

import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import anyio
import pytest
from pictured import pictured
from recorded import WARM, make_run, stamp, store

from riglog import Batch, Sample, SqliteSink
from riglog.cli.app import cli
from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.recordings import Selection, write_report
from riglog.recordings.reports.figures import ticks, time_ticks
from riglog.recordings.reports.page import _hash
from riglog.recordings.reports.statistics import Statistics
from riglog.sinks.rows import Row

FILES = Path(__file__).parents[3] / "support" / "recordings"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STATISTICS = """
SELECT run, device || '.' || parameter || iif(instance = 1, '', '[' || instance || ']'), unit, count(*), count(value),
    printf('%.7g', min(value)), printf('%.7g', avg(value)), printf('%.7g', max(value)) FROM samples
GROUP BY run, device, parameter, instance, unit"""


class Reader(HTMLParser):
    """The tables of a page by the heading before each, its elements, and what they refer to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.elements: Counter[str] = Counter()
        self.references: list[str] = []
        self.texts: list[str] = []
        self._heading = self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self._open = tag
        self.references += [
            value or "" for name, value in attrs if name in ("src", "href", "style", "onload", "onclick")
        ]
        rows = self.tables.setdefault(self._heading, [])
        if tag == "tr":
            rows.append([])
        elif tag in ("td", "th"):
            rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "h2":
            self._heading = data
        if self._open in ("td", "th"):
            self.tables[self._heading][-1][-1] += data
        if self._open not in ("script", "style"):
            self.texts.append(data)

    def table(self, heading: str) -> list[dict[str, str]]:
        head, *rows = self.tables[heading]
        return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("report") / "kiln.sqlite", 12, 150, runs=2)


@pytest.fixture(scope="module")
def page(recording: Path) -> str:
    out = recording.with_suffix(".html")
    assert write_report(recording, out, overwrite=True) == 12 * 145 * 2
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def test_the_statistics_are_those_of_sql_to_the_last_digit(recording: Path, read: Reader) -> None:
    with closing(sqlite3.connect(recording)) as database:
        expected = {row[:3]: tuple(map(str, row[3:])) for row in database.execute(STATISTICS)}
    columns = ("rows", "values", "lowest", "mean", "highest")
    found = {
        (row["run"], row["channel"], row["unit"]): tuple(row[name] for name in columns)
        for row in read.table("Channels")
    }
    assert found == expected
    assert len(found) == 24


def test_availability_and_statuses_are_those_of_sql(recording: Path, read: Reader) -> None:
    query = (
        "SELECT status, count(*) FROM samples WHERE run = 'kiln.0000' AND device = 'oven2' AND instance = 2 GROUP BY 1"
    )
    with closing(sqlite3.connect(recording)) as database:
        expected = dict(database.execute(query))
    (row,) = (
        row for row in read.table("Channels") if (row["run"], row["channel"]) == ("kiln.0000", "oven2.process_value[2]")
    )
    assert row["rows by status"] == f"ok {expected['ok']}, missing {expected['missing']}"
    due = 150  # also those in which the computer was suspended
    assert row["availability"] == f"{expected['ok'] / due:.3%}"


def test_a_mean_is_exact_where_a_plain_sum_is_not() -> None:
    statistics = Statistics()
    for value in (1e16, 1.0, -1e16, 1.0):
        statistics.add(Row(*[None] * 9, value, *[None] * 2, "ok", *[None] * 7))  # type: ignore[arg-type]
    assert statistics.mean == 0.5


def test_everything_that_happened_is_in_it(recording: Path, read: Reader) -> None:
    with closing(sqlite3.connect(recording)) as database:
        events = database.execute("SELECT kind, message FROM events ORDER BY at").fetchall()
        (notes,) = database.execute("SELECT count(*) FROM note").fetchone()
    assert [row["event"] for row in read.table("Events")] == [kind for kind, _ in events]
    assert len(read.table("Notes")) == notes == 6
    assert [row["cleared"] == "still raised" for row in read.table("Alarms")] == [False, True, False, True]
    assert {row["cause"] for row in read.table("Gaps")} == {
        "no reply",
        "no rows (recording not running, computer suspended, or samples lost)",
    }
    assert read.table("Instruments")[0]["driver"] == "watlow"
    assert {"package": "riglog", "version": "0"} in read.table("Rig file and versions")


def test_there_is_a_figure_for_every_unit_and_a_line_for_every_channel(page: str, read: Reader) -> None:
    assert read.elements["figure"] == 3
    assert len(re.findall(r'<path class="line', page)) == 24


def test_marks_are_above_the_lines_of_all_channels(page: str) -> None:
    figure = next(part for part in page.split("<figure")[1:] if 'class="suspect"' in part)
    assert figure.index('<path class="suspect"') > figure.rindex('<path class="line')


def test_the_lines_are_the_values_of_sql(recording: Path, page: str) -> None:
    query = """SELECT value FROM samples WHERE run = 'kiln.0000' AND device = 'oven1' AND parameter = 'pressure'
        ORDER BY received_ns"""
    with closing(sqlite3.connect(recording)) as database:
        stored = [value for (value,) in database.execute(query)]
    (figure,) = (part for part in page.split("<figure")[1:] if "<figcaption>bar<" in part)
    low, high = (float(re.findall(rf'data-{edge}="(\S+)"', figure)[0]) for edge in ("low", "high"))
    path = re.findall(r'<path class="line c0" d="([^"]*)">', figure)[0]
    drawn = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
    assert [high - y / 1000 * (high - low) for y in drawn] == pytest.approx(stored, abs=(high - low) * 1e-5)
    assert path.count("M") == 2  # broken where the computer was suspended


def test_hostile_texts_are_text(page: str, read: Reader) -> None:
    assert read.elements["script"] == 1
    assert "<script>alert(1)</script> $\\frac{x$ \\x1b[31m\\u202e" in "".join(read.texts)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)


def test_it_refers_to_nothing_and_its_policy_permits_its_own_parts_only(page: str, read: Reader) -> None:
    assert read.references == []
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0]
    style, script = (re.findall(rf"<{part}>(.*?)</{part}>", page, re.DOTALL)[0] for part in ("style", "script"))
    assert policy == (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none';"
        " form-action 'none'"
    )


def dumped(page: Path) -> str:
    command = [
        CHROMIUM or "",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={page.parent / 'profile'}",
    ]
    command += ["--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_a_browser_runs_its_script_and_zooms_by_key(page: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    assert '<html lang="en" class="scripted">' in dumped(tmp_path / "report.html")
    press = "document.querySelector('.panel').dispatchEvent(new KeyboardEvent('keydown', {key: '+'}))"
    without_policy = re.sub(r"<meta http-equiv[^>]*>", "", page)
    (tmp_path / "zoomed.html").write_text(without_policy.replace("</body>", f"<script>{press}</script></body>"))
    zoomed = dumped(tmp_path / "zoomed.html")
    boxes = re.findall(r'<svg class="box"[^>]* viewBox="([^"]*)"', zoomed)
    assert boxes == ["2500 0 5000 1000"] * 3
    assert re.findall(r'<text class="x"[^>]*>([^<]*)', zoomed) != re.findall(r'<text class="x"[^>]*>([^<]*)', page)


def test_only_an_earlier_report_is_replaced(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "kiln.html"
    one = Selection("kiln.0001")
    write_report(recording, out, selection=one)
    with pytest.raises(StorageError, match="was not overwritten"):
        write_report(recording, out, selection=one)
    write_report(recording, out, selection=one, overwrite=True)
    assert "kiln.0000" not in out.read_text(encoding="utf-8")
    out.write_text("<!doctype html><p>of another program</p>")
    with pytest.raises(StorageError, match="is not a report in html"):
        write_report(recording, out, overwrite=True)


def test_the_command_writes_a_report_of_the_name_of_the_recording(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["report", str(recording), "--run", "kiln.0000", "--from", "2026-11-20T12:01:00Z"]
    cli.main(arguments, standalone_mode=False)
    assert "report of 1020 rows written to kiln.html" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no rows in this time"):
        cli.main([*arguments, "--to", "2026-11-20T12:01:00Z", "--out", "none.html"], standalone_mode=False)
    with pytest.raises(NotARecordingError):
        cli.main(["report", "kiln.html", "--out", "again.html"], standalone_mode=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kiln.html"]


def test_absurd_values_have_a_report(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    values = (1.7e308, -1.7e308, 20.0, 1.7e308, 5e-324)
    samples = [Sample(channel=WARM, stamp=stamp(run, at), value=value, unit="degC") for at, value in enumerate(values)]
    anyio.run(store, SqliteSink(path), run, [Batch("bus", at, [sample]) for at, sample in enumerate(samples)])
    write_report(path, tmp_path / "a.html")
    (row,) = Reader((tmp_path / "a.html").read_text(encoding="utf-8")).table("Channels")
    assert (row["values"], row["lowest"], row["highest"]) == ("5", "-1.7e+308", "1.7e+308")
    assert row["mean"] in ("-", "3.4e+307")


def test_a_recording_of_schema_1_has_a_report(tmp_path: Path) -> None:
    old = Path(shutil.copy(FILES / "schema-1.sqlite", tmp_path))
    rows = write_report(old, tmp_path / "old.html")
    with closing(sqlite3.connect(old)) as database:
        assert database.execute("SELECT count(*) FROM samples").fetchone() == (rows,)
    assert Reader((tmp_path / "old.html").read_text(encoding="utf-8")).table("Instruments")


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-3.2, 9.9), (1e-9, 3e-9), (101_325.0, 101_325.02), (-1e12, 1e12)]
)
def test_ticks_are_round_and_few(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 10
    assert low <= found[0] <= found[-1] <= high


@pytest.mark.parametrize("span", [0.5, 7, 61, 3600, 86_400, 86_400 * 30, 86_400 * 400])
def test_time_ticks_are_few(span: float) -> None:
    assert len(time_ticks(1_795_176_000.5, 1_795_176_000.5 + span)) <= 10
