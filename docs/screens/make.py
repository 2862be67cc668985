"""Makes the pictures of the README and the tutorial, from simulated instruments: python docs/screens/make.py [FOLDER]

Twenty minutes of three instruments are recorded in virtual time, so that this takes seconds. The set point of one is
changed twice, it is switched off for a while, and a note is written. The screens are what commands print for this.

A test makes them again, and compares their texts with those of the files here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from html.parser import HTMLParser
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import anyio

from riglog import Manager, SqliteSink, record
from riglog.model import NS, Actor, Batch, Event, EventKind, Note, Run
from riglog.simulation import FaultyWire
from riglog.testing import LoopClock
from riglog.testing.virtual_time import EPOCH_NS, virtual_backend

HERE = Path(__file__).parent
SECONDS = 1200
SWITCHED_OFF = (500, 680)
SET_POINTS = ((120, "60"), (900, "35"))
COMMANDS = {
    "info.svg": ["info", "kiln.sqlite"],
    "gaps.svg": ["gaps", "kiln.sqlite"],
    "events.svg": ["events", "kiln.sqlite"],
}
COLUMNS = 118
DEVICES = (
    {"name": "oven", "driver": "watlow", "address": 1, "temperature_unit": "degC"},
    {"name": "gas", "driver": "servomex", "protocol": "modbus-rtu", "address": 3, "parameters": ["I1", "I2"]},
    {"name": "balance", "driver": "sartorius", "protocol": "xbpi"},
)


async def recorded() -> tuple[Run, list[Batch], list[Event]]:
    """Return what was recorded: twenty minutes, in which the oven is switched off for four."""
    batches: list[Batch] = []
    async with Manager(clock=LoopClock()) as rig:
        for table in DEVICES:
            options = {key: value for key, value in table.items() if key != "name"}
            await rig.add(str(table["name"]), f"sim:{table['name']}", **options)
        oven = rig.port("sim:oven").transport.inner.peer
        assert isinstance(oven, FaultyWire)

        async def change(after: float, setpoint: str) -> None:
            await anyio.sleep(after)
            await rig.get("oven").set_parameter("setpoint", setpoint, confirm=True)

        async def switch() -> None:
            await anyio.sleep(SWITCHED_OFF[0])
            oven.plugged = False
            await anyio.sleep(SWITCHED_OFF[1] - SWITCHED_OFF[0])
            oven.plugged = True

        started = LoopClock().monotonic_ns()
        run = Run(
            "kiln.20270115T080000Z.5e1f",
            "kiln",
            EPOCH_NS + started,
            started,
            1.0,
            "lab",
            {"riglog": version("riglog")},
            None,
        )
        recording = record(rig, rate_hz=1, duration=SECONDS, clock=LoopClock())
        async with recording as active_run, anyio.create_task_group() as tasks:
            tasks.start_soon(switch)
            for after, setpoint in SET_POINTS:
                tasks.start_soon(change, after, setpoint)
            async for batch in active_run.stream:
                batches.append(batch)
        return run, batches, list(active_run.events)


async def stored(path: Path, run: Run, batches: list[Batch], events: list[Event]) -> None:
    """Write it into an SQLite recording, with a note."""
    at = run.started_ns + 560 * NS
    author = Actor("anna", "riglog note", "lab")
    note = Note(message_id="0" * 32, text="oven switched off: door seal", at_ns=at, written_ns=at, author=author)
    told = Event(at, EventKind.NOTE, f"anna: {note.text}", "oven", detail=note)
    end = Event(run.started_ns + SECONDS * NS, EventKind.RUN_FINISHED, "recording ended")
    sink = SqliteSink(path)
    await sink.check()
    await sink.open(run)
    await sink.write(batches, sorted([*events, told, end], key=lambda event: event.at_ns))
    await sink.aclose()


def printed(arguments: list[str], folder: Path) -> str:
    """Return what a command prints on a terminal of COLUMNS columns, with its colours. Times are in UTC."""
    environment = os.environ | {"TZ": "UTC", "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "riglog", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def screen(command: str, output: str) -> str:
    """Return the screen of a command as SVG."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output.rstrip()))
    console.file.close()
    return console.export_svg(title="riglog", unique_id="screen")


def make(folder: Path, *, browser: bool = True) -> None:
    """Make all screens in a folder; without a browser not the picture of the report, only its texts."""
    name, options = virtual_backend("asyncio")
    run, batches, events = anyio.run(recorded, backend=name, backend_options=options)
    with tempfile.TemporaryDirectory() as work:
        recording = Path(work) / "kiln.sqlite"
        anyio.run(stored, recording, run, batches, events)
        for file, arguments in COMMANDS.items():
            svg = screen(f"riglog {' '.join(arguments)}", printed(arguments, Path(work)))
            (folder / file).write_text(svg, encoding="utf-8")
        printed(["plot", "kiln.sqlite", "--out", "plot.svg"], Path(work))
        printed(["report", "kiln.sqlite", "--out", "report.html"], Path(work))
        shutil.copy(Path(work) / "plot.svg", folder / "plot.svg")
        if browser:
            photograph((Path(work) / "report.html").as_uri(), folder / "report.png", Path(work))
            photograph_live(recording, folder)
        words = texts_of_html((Path(work) / "report.html").read_text(encoding="utf-8"))
        (folder / "report.json").write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def photograph_live(recording: Path, folder: Path) -> None:
    """Make a picture of the live page, and note of which page it is."""
    sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))
    from live_page import browser, wait_until

    command = [sys.executable, "-m", "riglog", "live", str(recording), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"TZ": "UTC"}) as server:
        try:
            assert server.stderr is not None
            address = server.stderr.readline().split()[-1]
            with browser(1200, 1000) as driver:
                driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
                driver.get(address)
                ready = "const p = globalThis.riglogPage?.plots; return p?.series.size && !p.underWay && !p.pending"
                wait_until(lambda: driver.execute_script(ready), "the charts are drawn")
                driver.save_screenshot(str(folder / "live.png"))
        finally:
            server.terminate()
    (folder / "live.json").write_text(json.dumps(static_files(), indent=1) + "\n", encoding="utf-8")


def static_files() -> dict[str, str]:
    """Return the files of the live page, each with its hash: its picture is stale if one of them is another one."""
    found = sorted(files("riglog.live").joinpath("static").iterdir(), key=lambda file: file.name)
    return {file.name: sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest() for file in found}


def photograph(address: str, picture: Path, work: Path) -> None:
    """Make a picture of a page, if there is a browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        return
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,1250"]
    command += [f"--user-data-dir={work / 'profile'}", f"--screenshot={picture}", address]
    subprocess.run(command, capture_output=True, timeout=120, check=True, env=os.environ | {"TZ": "UTC"})


class _Texts(HTMLParser):
    """The texts of a page that are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden = tag in ("style", "script", "title")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._hidden:
            self.found.append(data.strip())


def texts_of_html(page: str) -> list[str]:
    """Return the texts of a report, without numbers; those of charts are in the order of the page."""
    reader = _Texts()
    reader.feed(page)
    return [without_numbers(text) for text in reader.found if re.search("[A-Za-z]", text)]


def texts_of_svg(svg: str) -> list[str]:
    """Return the texts of a screen, without numbers: those of rich are elements, those of matplotlib comments."""
    found = re.findall(r"<text[^>]*>([^<]*)</text>", svg) or re.findall(r"<!-- (.*?) -->", svg)
    return [text for each in found if (text := without_numbers(each.replace("&#160;", " ")))]


def without_numbers(text: str) -> str:
    """Return a text in which everything that may differ from one run to the next one is the same."""
    text = re.sub(r"kiln\.[0-9A-Za-z.]+Z?[.\w]*", "kiln.RUN", text)
    text = re.sub(r"\b[0-9a-f]{32,}\b", "HASH", text)
    text = re.sub(r"[\d.,:+-]*\d[\d.,:+-]*", "N", text)
    return " ".join(text.split())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    target.mkdir(parents=True, exist_ok=True)
    make(target)
