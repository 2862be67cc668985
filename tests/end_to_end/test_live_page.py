"""The live page in a real browser: what a user sees, and what a hostile name cannot do."""

import csv
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from live_page import browser, complaints, resize, served, shown, source_of, wait_until
from msgspec import structs
from pictured import pictured, run_of
from recorded import WARM, make_run, stamp, steady, store
from terminal import end, rig, riglog, started, wait_for_rows

from riglog import Batch, Sample, SqliteSink
from riglog.live.source import LiveAlarm, LiveChannel, LiveRun, Look, Series, Source, Span, SpanReply
from riglog.model import NS, Event, EventKind, Run
from riglog.recordings import read_alarms, read_notes, write_note

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_time,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Chromium and a port over TCP"),
]
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202ekcab\x1b[31m'


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as driver:
        yield driver


def run_of_now(seconds: float, rate_hz: float = 2.0, name: str = "bench") -> Run:
    """A run that began so long ago."""
    return structs.replace(make_run(name, rate_hz=rate_hz), started_ns=time.time_ns() - round(seconds * NS))


def recording(path: Path, run: Run, batches: list[Batch], *events: Event) -> Path:
    end = Event(run.started_ns + 10**12, EventKind.RUN_FINISHED, "run finished")
    anyio.run(store, SqliteSink(path), run, batches, [*events, end])
    return path


def many(count: int) -> list[Any]:
    units = ("degC", "bar", "g", "V", "%")
    return [structs.replace(WARM, device=f"device-{number:02d}", unit=units[number % 5]) for number in range(count)]


@contextmanager
def opened(driver: Any, path: Path) -> Iterator[Any]:
    """Serve a recording, and open its page; at the end nothing was refused and no script has failed."""
    complaints(driver)
    with served(source_of(path)) as server:
        driver.get(f"http://127.0.0.1:{server.server_port}/")
        wait_until(lambda: rows(driver), "the channels are there")
        yield server
        found = complaints(driver)
        driver.get("about:blank")
    assert found == []


def rows(driver: Any) -> list[list[str]]:
    """The cells of the table of channels."""
    script = (
        "return [...document.querySelectorAll('#channels tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    )
    return [cells[1:] for cells in driver.execute_script(script)]


def drawn(driver: Any) -> bool:
    """Whether the charts have data and nothing is under way."""
    return bool(driver.execute_script("const p = riglogPage.plots; return p.series.size && !p.underWay && !p.timer"))


def series(driver: Any, id: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        driver.execute_script(f"return JSON.stringify(riglogPage.plots.series.get({id}) ?? {{}})")
    )
    return found


def view(driver: Any) -> tuple[float, float]:
    found = driver.execute_script("return riglogPage.plots.view")
    return found["from"], found["to"]


def colors_of_panel(driver: Any) -> set[str]:
    """The colours of the first panel, each as red,green,blue."""
    script = """
    const c = document.querySelector('.panel canvas');
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    const found = new Set();
    for (let i = 0; i < d.length; i += 4) found.add(`${d[i]},${d[i + 1]},${d[i + 2]}`);
    return [...found]"""
    return set(driver.execute_script(script))


def test_values_charts_and_table_agree_with_sql(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(1000)
    channels = many(6)
    batches = [
        Batch(
            "bus",
            tick,
            [
                Sample(
                    channel=channel,
                    stamp=stamp(run, tick / 2 + 0.01),
                    value=(tick * 37 % 101) / 7 - place,
                    unit=channel.unit,
                )
                for place, channel in enumerate(channels)
            ],
        )
        for tick in range(2_000)
    ]
    path = recording(tmp_path / "a.sqlite", run, batches)
    with opened(chromium, path), closing(sqlite3.connect(path)) as database:
        latest = database.execute("SELECT device || '.' || parameter, value, unit FROM latest").fetchall()
        assert [row[:3] for row in rows(chromium)] == [[name, shown(value, None), unit] for name, value, unit in latest]
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        found = series(chromium)
        width = round(found["buckets"]["width"] * 1e6)
        sql = (
            "SELECT count(*), count(value), min(value), max(value) FROM samples WHERE device = 'device-00'"
            " GROUP BY received_ns / :width ORDER BY received_ns / :width"
        )
        buckets = list(zip(*(found["buckets"][key] for key in ("rows", "count", "low", "high")), strict=True))
        assert buckets == database.execute(sql, {"width": width}).fetchall()
        chromium.execute_script("document.querySelector('#as-table').open = true; riglogPage.plots.showTable()")
        text = chromium.execute_script("return document.querySelector('#as-table tbody tr').innerText").split()
        low, high = database.execute("SELECT min(value), max(value) FROM samples WHERE device = 'device-00'").fetchone()
        assert text[:4] == ["device-00.process_value", "degC", shown(low, None), shown(high, None)]
        assert chromium.execute_script(
            "return [...document.querySelectorAll('.panel h3')].map(h => h.textContent)"
        ) == [
            "degC",
            "bar",
            "g",
            "V",
            "%",
        ]
        assert len(colors_of_panel(chromium)) > 10


def test_hostile_names_are_text(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    hostile = structs.replace(WARM, device=HOSTILE, parameter=HOSTILE, unit=HOSTILE)
    event = Event(run.started_ns + NS, EventKind.PORT_LOST, HOSTILE, HOSTILE, HOSTILE)
    path = recording(tmp_path / "<b>a&amp;.sqlite", run, list(steady(run, [hostile], 60)), event)
    write_note(path, HOSTILE, program="test", author=HOSTILE)
    with opened(chromium, path):
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        (row,) = rows(chromium)
        assert "<script>" in row[0]
        assert "\\u202e" in row[0]
        assert "\u202e" not in chromium.execute_script("return document.documentElement.textContent")
        assert "\x1b" not in chromium.execute_script("return document.documentElement.textContent")
        assert chromium.execute_script("return document.querySelectorAll('main img, main script, b.x').length") == 0
        assert chromium.execute_script("return window.hacked") is None
        assert len(chromium.execute_script("return [...document.querySelectorAll('#events li')]")) == 3
        blob = "return riglogPage.plots.png(riglogPage.page.title).then(b => b.size)"
        assert chromium.execute_script(blob) > 1000


def test_the_browser_enforces_the_security_policy(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 60)))
    with served(source_of(path)) as server:
        chromium.get(f"http://127.0.0.1:{server.server_port}/")
        chromium.execute_script(
            "const s = document.createElement('script'); s.textContent = 'window.inline = 1'; document.body.append(s);"
            "const i = document.createElement('img'); i.src = 'https://example.org/x.png'; document.body.append(i);"
            "document.body.setAttribute('style', 'color: red')"
        )
        wait_until(lambda: len(complaints(chromium)), "the browser refuses it")
        assert chromium.execute_script("return window.inline") is None
        assert chromium.execute_script("return getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    complaints(chromium)


def test_a_chart_is_zoomed_and_moved_by_wheel_mouse_keys_and_touch(chromium: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.keys import Keys

    run = run_of_now(1200)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 2_400)))
    with opened(chromium, path):
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        canvas = chromium.find_element("css selector", ".panel canvas")
        chromium.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
        before = view(chromium)
        ActionChains(chromium).scroll_from_origin(ScrollOrigin.from_element(canvas), 0, -400).perform()
        wait_until(lambda: view(chromium)[1] - view(chromium)[0] < before[1] - before[0], "the wheel zooms")
        before = view(chromium)
        ActionChains(chromium).move_to_element(canvas).click_and_hold().move_by_offset(120, 0).release().perform()
        assert view(chromium)[0] < before[0]
        assert view(chromium)[1] - view(chromium)[0] == pytest.approx(before[1] - before[0])
        assert chromium.execute_script("return riglogPage.plots.cursor") is not None
        wait_until(lambda: chromium.find_element("css selector", ".panel li b").text, "values at the cursor")
        for keys, check in (
            ("+", lambda old, new: new[1] - new[0] < old[1] - old[0]),
            ("-", lambda old, new: new[1] - new[0] > old[1] - old[0]),
            (Keys.ARROW_LEFT, lambda old, new: new[0] < old[0]),
            (Keys.ARROW_RIGHT, lambda old, new: new[0] > old[0]),
            (Keys.PAGE_UP, lambda old, new: new[1] == pytest.approx(old[0])),
            (Keys.HOME, lambda old, new: new[0] == pytest.approx(run.started_ns / 1e6)),
        ):
            before = view(chromium)
            canvas.send_keys(keys)
            assert check(before, view(chromium)), keys
        before = view(chromium)
        box = canvas.rect
        fingers = [
            [{"x": box["width"] / 2 + side * away, "y": 60, "id": side} for side in (-1, 1)] for away in (30, 150)
        ]
        top = chromium.execute_script("return arguments[0].getBoundingClientRect().top", canvas)
        for kind, places in (("touchStart", fingers[0]), ("touchMove", fingers[1]), ("touchEnd", [])):
            points = [{**place, "x": place["x"] + box["x"], "y": place["y"] + top} for place in places]
            chromium.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert view(chromium)[1] - view(chromium)[0] < 0.5 * (before[1] - before[0])
        chromium.execute_script("document.querySelector('#csv').click = null")
        address = chromium.find_element("id", "csv").get_attribute("href")
        text = chromium.execute_async_script("fetch(arguments[0]).then(r => r.text()).then(arguments[1])", address)
        assert text.startswith("channel,unit,time,rows,values,low,mean,high,status\n")


def reds_of_panel(driver: Any, from_share: float, to_share: float) -> float:
    """The share of reddish pixels of the ground of the first panel, between two shares of its time."""
    script = """
    const c = document.querySelector('.panel canvas'), r = c.width / c.clientWidth;
    const {left, width, top} = riglogChart.boxOf(c.clientWidth, c.clientHeight);
    const x = Math.round((left + arguments[0] * width) * r), w = Math.round((arguments[1] - arguments[0]) * width * r);
    const d = c.getContext('2d').getImageData(x, Math.round((top + 4) * r), w, 8).data;
    let found = 0;
    for (let i = 0; i < d.length; i += 4) found += d[i] > d[i + 1] + 12 && d[i] > d[i + 2] + 12;
    return found / (d.length / 4)"""
    return float(driver.execute_script(script, from_share, to_share))


def test_an_alarm_is_a_band_in_its_panel_and_is_acknowledged_by_its_button(chromium: Any, tmp_path: Path) -> None:
    path = pictured(tmp_path / "a.sqlite", 4, 600)
    with opened(chromium, path):
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        assert "alarm hot" in chromium.find_element("css selector", ".panel li.alarm").text
        first, last = view(chromium)
        start = run_of(0).started_ns / 1e6

        def share(second: float) -> float:
            return (start + second * 1e3 - first) / (last - first)

        wait_until(lambda: reds_of_panel(chromium, share(125), share(235)) > 0.8, "the band is drawn")
        assert reds_of_panel(chromium, share(20), share(115)) < 0.2
        assert reds_of_panel(chromium, share(245), share(400)) < 0.2
        buttons = chromium.find_elements("css selector", "#alarms button")
        assert [button.get_attribute("aria-label") for button in buttons] == ["Acknowledge hot", "Acknowledge flow low"]
        name = chromium.find_element("id", "note-author")
        name.clear()
        buttons[0].click()
        assert "name" in chromium.find_element("id", "alarm-state").text
        name.send_keys("Anna")
        buttons[0].click()
        wait_until(lambda: len(chromium.find_elements("css selector", "#alarms button")) == 1, "it is acknowledged")
        assert chromium.find_element("id", "alarm-state").text == ""
        texts = [item.text.splitlines()[0] for item in chromium.find_elements("css selector", "#alarms p")]
        assert texts[-1].startswith("ALARM – flow low – ")
        assert [alarm.by for alarm in read_alarms(path) if alarm.name == "hot"] == ["Anna"]


def test_theme_run_and_saved_files_by_clicks(chromium: Any, tmp_path: Path) -> None:
    path = pictured(tmp_path / "a.sqlite", 2, 300, runs=2)
    files = tmp_path / "saved"
    files.mkdir()
    behaviour = {"behavior": "allow", "downloadPath": str(files)}
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    with opened(chromium, path), closing(sqlite3.connect(path)) as database:
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        grounds = []
        for _ in range(2):
            chromium.find_element("id", "theme").click()
            script = "return getComputedStyle(document.body).backgroundColor"
            ground = chromium.execute_script(script).removeprefix("rgb(").removesuffix(")").replace(" ", "")
            wait_until(
                lambda ground=ground: ground in colors_of_panel(chromium), "the chart has the ground of the page"
            )
            grounds.append(ground)
        assert set(grounds) == {"255,255,255", "17,22,28"}
        chromium.find_element("css selector", "#run option[value='kiln.0000']").click()
        run = run_of(0)
        wait_until(lambda: view(chromium)[0] == pytest.approx(run.started_ns / 1e6), "the view is that of the run")
        wait_until(lambda: drawn(chromium) and series(chromium)["last"] < run.started_ns / 1e6 + 301e3, "its rows only")
        chromium.find_element("id", "png").click()
        picture = wait_until(lambda: next(files.glob("*.png"), None), "the picture is saved")
        wait_until(lambda: picture.stat().st_size > 1000, "the picture is there")
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        chromium.find_element("id", "csv").click()
        table = wait_until(lambda: next(files.glob("*.csv"), None), "the table is saved")
        with table.open(newline="", encoding="utf-8") as file:
            found = [(row["channel"], row["time"], float(row["mean"]), row["status"]) for row in csv.DictReader(file)]
        name = "device || '.' || parameter || iif(instance > 1, '[' || instance || ']', '')"
        sql = f"""SELECT {name}, received_at, value, status
        FROM samples WHERE run = 'kiln.0000' ORDER BY instance, received_ns"""
        assert found == database.execute(sql).fetchall()


def test_a_note_from_the_page_is_stored_and_appears(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 60)))
    with opened(chromium, path):
        chromium.find_element("id", "note-text").send_keys("door opened")
        chromium.find_element("id", "note-author").send_keys("Anna")
        chromium.find_element("css selector", "#note button").click()
        wait_until(lambda: "stored" in chromium.find_element("id", "note-state").text, "the note is stored")
        assert [(note.text, note.author) for note in read_notes(path)] == [("door opened", "Anna")]
        wait_until(lambda: "door opened" in chromium.find_element("id", "events").text, "the note appears")


def test_values_arrive_and_a_killed_simulator_turns_its_channels_old_and_then_dead(
    chromium: Any, tmp_path: Path
) -> None:
    with started("simulate", "watlow", "--tcp", "127.0.0.1:0") as simulator:
        assert simulator.stdout is not None
        port = json.loads(simulator.stdout.readline())["port"]
        oven = {"name": "oven", "driver": "watlow", "port": port, "parameters": ["setpoint"]}
        file = rig(tmp_path, oven, name="r", rate_hz=5.0, flush_interval=0.2)
        with started("record", file.name, cwd=tmp_path):
            path = tmp_path / "r.sqlite"
            wait_for_rows(path, 5)
            with opened(chromium, path):
                wait_until(lambda: rows(chromium)[0][4] == "ok", "the value is live")
                first = series(chromium).get("last")
                wait_until(lambda: (series(chromium).get("last") or 0) > (first or 0), "values arrive")
                assert "recording" in chromium.find_element("id", "state").text
                simulator.kill()
                seen = set()

                def states() -> set[str]:
                    seen.add(chromium.execute_script("return document.querySelector('#channels tbody tr').className"))
                    return seen

                wait_until(lambda: states() >= {"old", "dead"}, "old, then dead")
                (row,) = rows(chromium)
                assert row[1]  # the last value is still there, with its age
                assert "dead" in row[4]
                kinds = chromium.find_element("id", "events").text
                assert "port lost" in kinds or "not responding" in kinds


@pytest.mark.parametrize(("width", "height"), [(1300, 900), (390, 844), (800, 600), (320, 640)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forty_channels_fit_on_every_screen(chromium: Any, tmp_path: Path, width: int, height: int, theme: str) -> None:
    run = run_of_now(60)
    channels = many(40)
    channels[3] = structs.replace(channels[3], device="furnace-number-seven-upper-left-zone-with-a-very-long-name")
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, channels, 60)))
    resize(chromium, width, height)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        with opened(chromium, path):
            wait_until(lambda: drawn(chromium), "the charts are drawn")
            chromium.find_element("id", "all").click()
            wait_until(lambda: drawn(chromium), "the charts are drawn")
            assert chromium.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
            outside = """
            return [...document.querySelectorAll('main *')].filter((e) => {
              const r = e.getBoundingClientRect();
              return r.width && !e.closest('.unseen') && (r.left < -1 || r.right > innerWidth + 1);
            }).map((e) => e.outerHTML.slice(0, 80))"""
            assert chromium.execute_script(outside) == []
            narrow = """
            return [...document.querySelectorAll('#events span, #channels td, #channels th.name')].filter((e) =>
              e.textContent && e.getBoundingClientRect().width < 20).map((e) => e.textContent)"""
            assert chromium.execute_script(narrow) == []
            ground = {"light": "255,255,255", "dark": "17,22,28"}[theme]
            assert ground in colors_of_panel(chromium)
            assert len(rows(chromium)) == 40
    finally:
        resize(chromium, 1300, 900)
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_screen_reader_finds_names_for_everything(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, many(3), 60)))
    with opened(chromium, path):
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        wait_until(
            lambda: "from" in chromium.find_element("css selector", ".panel canvas").get_attribute("aria-label"),
            "the chart has a name",
        )
        nodes = chromium.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]
        controls = {"button", "checkbox", "combobox", "textbox", "searchbox", "link", "image", "img"}
        assert [role for role, name in named if role in controls and not name.strip()] == []
        roles = {role for role, _ in named}
        assert {"table", "row", "rowheader", "heading", "log", "status", "main"} <= roles


CONTRASTS = """
const luminance = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map((part) => Number(part) / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (color !== 'rgba(0, 0, 0, 0)') return color;
  }
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const found = [];
for (const element of document.querySelectorAll('body *')) {
  if (!element.checkVisibility()) continue;
  const style = getComputedStyle(element), name = `${element.tagName} ${element.id} ${element.className}`;
  const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (isText) found.push([name, contrast(style.color, ground(element)), 4.5]);
  if (element.matches('button, .button, select, input:not([type=checkbox])')) {
    found.push([`edge of ${name}`, contrast(style.borderTopColor, ground(element.parentElement)), 3]);
  }
  if (element.matches('.swatch') && element.style.background) {
    found.push([name, contrast(style.backgroundColor, ground(element.parentElement)), 3]);
  }
}
return found"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_controls_and_lines_have_the_contrast_of_wcag_aa(chromium: Any, tmp_path: Path, theme: str) -> None:
    path = pictured(tmp_path / "a.sqlite", 12, 60)
    chromium.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    try:
        with opened(chromium, path):
            wait_until(lambda: drawn(chromium), "the charts are drawn")
            kinds = ["old", "dead", "alarmed", "live alarmed"]
            chromium.execute_script(
                "[...document.querySelectorAll('#channels tbody tr')].forEach("
                "(row, at) => { row.className = arguments[0][at % 4]; })",
                kinds,
            )
            chromium.execute_script("document.querySelector('#as-table').open = true; riglogPage.plots.showTable()")
            contrasts = chromium.execute_script(CONTRASTS)
            assert [each for each in contrasts if each[1] < each[2]] == []
            assert len(contrasts) > 100
    finally:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_server_that_is_gone_is_announced_and_found_again(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 60)))
    with served(source_of(path)) as server:
        chromium.get(f"http://127.0.0.1:{server.server_port}/")
        wait_until(lambda: rows(chromium), "the channels are there")
        assert not chromium.find_element("id", "trouble").is_displayed()
    wait_until(lambda: "No connection" in chromium.find_element("id", "trouble").text, "the page notices")
    chromium.get("about:blank")
    complaints(chromium)


def test_a_page_that_stays_open_does_not_grow(chromium: Any, tmp_path: Path) -> None:
    """A short stand-in for an hour: two thousand messages of ten channels."""
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, many(10), 60)))
    with opened(chromium, path) as server:
        wait_until(lambda: drawn(chromium), "the charts are drawn")
        chromium.find_element("id", "live").click()

        def sizes() -> tuple[float, int]:
            chromium.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
            metrics = {m["name"]: m["value"] for m in chromium.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
            return metrics["JSHeapUsedSize"], int(metrics["Nodes"])

        def feed_points(count: int, first: int) -> None:
            chromium.execute_script(
                """
                const [count, first] = arguments, { plots } = riglogPage, ids = [...plots.picked];
                for (let n = first; n < first + count; n++) {
                  const t = Date.now() + n * 500;
                  plots.hooks.now = () => t;
                  plots.add(Object.fromEntries(ids.map((id) => [id, [[t - 400, n % 7], [t - 100, n % 5]]])));
                  plots.tick();
                }""",
                count,
                first,
            )
            time.sleep(0.3)

        chromium.execute_cdp_cmd("Performance.enable", {})
        feed_points(6_000, 0)
        before = sizes()
        feed_points(6_000, 6_000)
        after = sizes()
        assert after[0] < before[0] * 1.3 + 1e6
        assert after[1] <= before[1] * 1.2 + 50
        assert len(server.feed._messages) <= 240


class Laboratory(Source):
    """What a central database could show."""

    title = "laboratory"
    worst_first = True
    look_seconds = 0.05

    def __init__(self) -> None:
        self.conditions = ["live"] * 6
        self.alarms: list[LiveAlarm] = []

    def look(self, now_ns: int) -> Look:
        names = [LIVE | {"id": number, "device": f"device-{number}"} for number in range(1, 7)]
        channels = [
            LiveChannel(**name, name=f"{name['device']}.p", value=1.0, shown="1", value_ms=now_ns / 1e6, condition=each)
            for name, each in zip(names, self.conditions, strict=True)
        ]
        return Look(state="laboratory", channels=channels, points={}, events=[], alarms=self.alarms)

    def span(self, wanted: Span, names: dict[int, LiveChannel]) -> SpanReply:
        series = [Series(id=number, unit="V") for number in wanted.channels]
        return SpanReply(from_ms=wanted.start_ns / 1e6, to_ms=wanted.end_ns / 1e6, coarse=False, series=series)

    def runs(self) -> list[LiveRun]:
        return []

    def events(self, **selected: Any) -> list[Any]:
        return []


LIVE: dict[str, Any] = {"host": "north", "parameter": "p", "instance": 1, "run": "r", "unit": "V", "status": "ok"}


def test_in_a_laboratory_what_is_in_alarm_dead_or_old_stands_first(chromium: Any) -> None:
    laboratory = Laboratory()
    with served(laboratory) as server:
        chromium.get(f"http://127.0.0.1:{server.server_port}/")

        def order() -> str:
            return "".join(row[0].partition("device-")[2][:1] for row in rows(chromium))

        wait_until(lambda: order() == "123456", "all are live")
        assert not chromium.find_element("id", "note").is_displayed()
        laboratory.conditions = ["ended", "live", "old", "live", "dead", "live"]
        wait_until(lambda: order() == "532461", "dead, old, live, ended")
        alarm = LiveAlarm(
            name="hot", channel="north: device-4.p", state="raised", acknowledged=False, at_ms=0.0, text="too hot"
        )
        laboratory.alarms = [alarm]
        wait_until(lambda: order() == "453261", "the alarm first")
        assert "hot" in chromium.find_element("id", "alarms").text
        chromium.get("about:blank")


@pytest.mark.parametrize(
    ("zone", "start", "hours", "labels"),
    [
        ("Europe/Berlin", "2026-10-24T22:00:00Z", 25, ["10-25", "03:00", "06:00", "09:00", "12:00", "15:00"]),
        ("Europe/Berlin", "2026-03-28T23:00:00Z", 23, ["03-29", "03:00", "06:00", "09:00", "12:00", "15:00"]),
        ("Asia/Kolkata", "2026-06-01T18:30:00Z", 24, ["06-02", "03:00", "06:00", "09:00", "12:00", "15:00"]),
        ("UTC", "2026-06-01T00:00:00Z", 24 * 9, ["2026-06-01", "2026-06-02", "2026-06-03"]),
    ],
)
def test_the_times_of_an_axis_are_round_in_local_time(
    chromium: Any, tmp_path: Path, zone: str, start: str, hours: int, labels: list[str]
) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 20)))
    chromium.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": zone})
    try:
        with opened(chromium, path):
            found = chromium.execute_script(
                "const from = Date.parse(arguments[0]), to = from + arguments[1] * 3600e3;"
                "const t = riglogChart.timeTicks(from, to, 10);"
                "return t.values.map((at) => riglogChart.timeLabel(at, t.step))",
                start,
                hours,
            )
            assert found[: len(labels)] == labels
    finally:
        chromium.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_the_parts_of_a_chart_are_right(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 20)))
    with opened(chromium, path):

        def js(expression: str) -> Any:
            return chromium.execute_script(f"const c = riglogChart; return {expression}")

        assert js("c.ticks(0, 10, 5).values") == [0, 2, 4, 6, 8, 10]
        assert js("c.ticks(-0.31, 0.32, 7).values.map((v) => c.tickLabel(v, 0.1))") == [
            "-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"
        ]  # fmt: skip
        assert js("c.tickLabel(2.5e7, 5e5)") == "2.50e+7"
        assert js("c.ticks(1013.2, 1013.2000001, 4).values.length") >= 2
        assert js("c.place([1, 3, 5], 3)") == 1
        points = "{points: {t: [0, 10, 20, 30], v: [1, null, 7, 2]}}"
        assert js(f"c.range([{points}], {{from: 0, to: 25}})") == {"low": 1, "high": 7}
        assert js(f"c.range([{points}], {{from: 8, to: 12}})") is None
        assert js(f"c.nearest({points}, 19, 5).v") == 7
        assert js(f"c.nearest({points}, 10, 5)") is None
        buckets = "{buckets: {width: 10, t: [0, 20], mean: [1, null], low: [0, null], high: [3, null], count: [5, 0]}}"
        assert js(f"c.nearest({buckets}, 9, 5).high") == 3
        assert js(f"c.nearest({buckets}, 15, 5)") is None
        assert js(f"c.nearest({buckets}, 25, 5)") is None
        assert js(f"c.range([{buckets}], {{from: 0, to: 40}})") == {"low": 0, "high": 3}
        assert js("c.padded({low: 5, high: 5})") == {"low": 4.75, "high": 5.25}
        assert js("riglogText.number(0.1 + 0.2)") == "0.3"
        numbers = [*NUMBERS, *(Random(17).lognormvariate(0, 40) for _ in range(500))]
        numbers += [-value for value in numbers]
        written = chromium.execute_script(
            "return arguments[0].map((text) => riglogText.number(Number(text)))", [repr(value) for value in numbers]
        )
        assert written == [shown(value, None) for value in numbers]
        assert js("riglogText.age(59.6) + riglogText.age(3600 * 5)") == "60 s5 h"


NUMBERS = [0.0, 1e300, 1e-300, 5e-324, 1.7e308, 2.0**53 + 2, 1e7, 9999999.5, 999999.95, 1e-4, 9.9999999e-5, 20.0, 0.1]
NUMBERS += [1234566.5, 1234567.5, 1234566.5 / 8, 0.00123456650, 1e21, 1e22, 123456.0, 1e6, 2.5]


GAP = """
const canvas = document.createElement('canvas');
canvas.width = 600; canvas.height = 100;
const context = canvas.getContext('2d'), view = {from: 0, to: 600}, color = 'rgb(255, 0, 0)';
const names = ['ground', 'text', 'faint', 'grid', 'axis', 'warn', 'bad'];
const colors = Object.fromEntries(names.map((name) => [name, 'white']));
const drawn = riglogChart.draw(context, {width: 600, height: 100, view, series: [{...arguments[0], color}], colors});
const pixels = context.getImageData(0, 0, 600, 100).data;
const x = (at) => Math.round(drawn.box.left + at / 600 * drawn.box.width);
const isRed = (column) => {
  for (let row = 0; row < 100; row++) {
    const at = 4 * (row * 600 + column);
    if (pixels[at] > pixels[at + 1] + 20) return true;
  }
  return false;
};
return [100, 300, 500].map((at) => isRed(x(at)));"""


@pytest.mark.parametrize(
    "series",
    [
        {"points": {"t": [0, 200, 201, 400, 401, 600], "v": [1, 2, None, None, 3, 1], "marks": []}},
        {
            "buckets": {
                "width": 50,
                "t": [0, 50, 100, 150, 400, 450, 500, 550],
                "mean": [1, 2, 3, 2, 2, 1, 3, 2],
                "low": [0, 1, 2, 1, 1, 0, 2, 1],
                "high": [2, 3, 4, 3, 3, 2, 4, 3],
                "rows": [5] * 8,
                "count": [5] * 8,
            }
        },
    ],
    ids=["rows", "buckets"],
)
def test_a_gap_is_drawn_as_a_gap(chromium: Any, tmp_path: Path, series: dict[str, Any]) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 20)))
    with opened(chromium, path):
        assert chromium.execute_script(GAP, series) == [True, False, True]


def test_a_recording_of_a_computer_whose_clock_is_ahead_has_a_chart(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(-30 * 86400)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 20)))
    with opened(chromium, path):
        wait_until(lambda: drawn(chromium) and len(series(chromium).get("points", {}).get("t", [])) == 20, "its rows")


def test_suspect_and_faulty_rows_are_marked_in_buckets(chromium: Any, tmp_path: Path) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 20)))
    buckets = {
        "width": 100, "t": [0, 100, 200, 300, 400, 500], "mean": [1, 2, 3, 2, 1, 2], "low": [0, 1, 2, 1, 0, 1],
        "high": [2, 3, 4, 3, 2, 3], "rows": [5] * 6, "count": [5] * 6,
    }  # fmt: skip
    script = GAP.replace("'warn', 'bad'", "'axis'").replace("{width: 600", "{marks: 1, width: 600")
    colors = "colors.warn = 'rgb(255, 160, 0)'; colors.bad = 'rgb(255, 0, 0)';"
    script = script.replace("const drawn", f"{colors}\nconst drawn").replace(
        "series: [{...arguments[0], color}]", "series: [{...arguments[0], color: 'rgb(0, 0, 255)'}]"
    )
    with opened(chromium, path):
        assert chromium.execute_script(script, {"buckets": buckets}) == [False, False, False]
        marked = buckets | {"marked": [[100, 2.5, "suspect"], [500, None, "fault"]]}
        assert chromium.execute_script(script, {"buckets": marked}) == [True, False, True]


def test_the_command_serves_until_it_is_interrupted_and_prints_the_token_only_beyond_this_computer(
    tmp_path: Path,
) -> None:
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 60)))
    with started("live", path, "--port", "0") as process:
        assert process.stderr is not None
        address = process.stderr.readline()
        assert "?token=" not in address
        port = int(address.rpartition(":")[2].strip().rstrip("/"))
        assert riglog("live", path, "--port", port).err.count("cannot listen on 127.0.0.1") == 1
        done = end(process)
        assert (done.code, done.err) == (130, "")
    with started("live", path, "--port", "0", "--listen", "0.0.0.0") as process:
        assert process.stderr is not None
        assert "the page is not encrypted" in process.stderr.readline()
        assert "/?token=" in process.stderr.readline()
        assert end(process).code == 130


def test_the_command_refuses_what_it_cannot_serve(tmp_path: Path) -> None:
    assert riglog("live", tmp_path / "none.sqlite").code == 4
    run = run_of_now(60)
    path = recording(tmp_path / "a.sqlite", run, list(steady(run, [WARM], 60)))
    refused = riglog("live", path, "--token-file", "x")
    assert (refused.code, "--token-file needs --listen" in refused.err) == (2, True)
    (tmp_path / "token").write_text("short")
    refused = riglog("live", path, "--listen", "0.0.0.0", "--token-file", tmp_path / "token")
    assert (refused.code, "too short" in refused.err) == (2, True)
    refused = riglog("live", path, "--listen", "203.0.113.9", "--port", "0")
    assert (refused.code, "cannot listen on 203.0.113.9" in refused.err) == (2, True)
