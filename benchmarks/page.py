"""What a live page costs, in a real browser and beside a recorder; run by hand.

    python benchmarks/page.py zoom FILE          # zooms of a large recording, such as one of bulk.py
    python benchmarks/page.py clients [SECONDS]  # 20 clients and 40 channels at 2 Hz: CPU, and slots of the recorder
    python benchmarks/page.py open [SECONDS]     # one page of the same rig stays open: what browser and server hold

Each runs ``riglog live`` in a process of its own. CPU is that of this process; wall times need a machine that does
nothing else.
"""

import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from live_page import browser, wait_until

show = partial(print, flush=True)
RIGLOG = [sys.executable, "-m", "riglog"]
CLIENTS, CHANNELS = 20, 40
RIG = """
[run]
name = "bench"
rate_hz = 2.0
""" + "".join(
    f"""
[[device]]
name = "oven-{number:02d}"
driver = "watlow"
port = "sim:line-{number % 4}"
address = {number // 4 + 1}
parameters = ["process_value", "setpoint", "output_power", "ramp_rate"]
"""
    for number in range(CHANNELS // 4)
)
ALARM = """
[[alarm]]
name = "moves"
channel = "oven-00.process_value"
rate = 0.01
"""
"""Raised and cleared all the time, so that events and bands come and go."""
TICKS_PER_SECOND = 100
ZOOM = """
const { plots } = riglogPage, [from, to] = arguments;
plots.hooks.now = () => Math.max(Date.now(), to + 1e9);  // the rows of bulk.py are later than now
plots.zooms.length = 0;
plots.setView(from, to);
plots.fetch(true);"""


@contextmanager
def program(*arguments: object, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Run riglog while the block runs."""
    command = [*RIGLOG, *map(str, arguments)]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def page(path: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Serve a recording; yields the process and the port."""
    with program("live", path, "--port", 0) as process:
        assert process.stderr is not None
        yield process, int(process.stderr.readline().rpartition(":")[2].strip().rstrip("/"))


@contextmanager
def recorder() -> Iterator[Path]:
    """Record a rig of 40 simulated channels while the block runs; yields the file."""
    with tempfile.TemporaryDirectory(prefix="riglog-live-") as folder:
        path = Path(folder)
        (path / "rig.toml").write_text(RIG + ALARM)
        with program("record", "rig.toml", cwd=path):
            file = path / "bench.sqlite"
            wait_until(lambda: file.exists() and rows(file)[0] > 5 * CHANNELS, "rows are there")
            yield file


def rows(file: Path) -> tuple[int, int]:
    """Return how many rows there are, and how many of them are skipped slots."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        total, skipped = database.execute("SELECT count(*), sum(status = 'skipped') FROM samples").fetchone()
    return total, skipped or 0


def cpu(process: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def zoom(file: Path) -> None:
    with page(file) as (process, port), browser() as driver:
        driver.get(f"http://127.0.0.1:{port}/")
        wait_until(lambda: driver.execute_script("return riglogPage.plots.zooms.length"), "the first picture")
        start, end = (driver.execute_script(f"return riglogPage.plots.view.{edge}") for edge in ("from", "to"))
        for hours in (1 / 6, 1, 3, 8, 24):
            span = min(hours * 3600e3, end - start)
            before, times = cpu(process.pid), []
            for number in range(9):
                first = start + (end - start - span) * number / 9
                driver.execute_script(ZOOM, first, first + span)
                wait_until(lambda: driver.execute_script("return riglogPage.plots.zooms.length"), "a picture")
                wait_until(lambda: driver.execute_script("return !riglogPage.plots.underWay"), "the finest picture")
                times.append(driver.execute_script("return riglogPage.plots.zooms[0]"))
            each = (cpu(process.pid) - before) / 9 * 1e3
            shown = f"median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms until the picture"
            show(f"{span / 3600e3:6.2f} h: {shown}; {each:.0f} ms CPU of the server")


def clients(seconds: float) -> None:
    with recorder() as file, page(file) as (process, port):
        time.sleep(3)
        show(f"without a browser: {share_of_a_core(process.pid, seconds / 3):.2f} % of a core")
        before, stop = rows(file), threading.Event()
        threads = [threading.Thread(target=look, args=(port, stop)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(3)
        show(f"{CLIENTS} clients: {share_of_a_core(process.pid, seconds):.2f} % of a core")
        after = rows(file)
        stop.set()
        for thread in threads:
            thread.join()
        show(f"rows: {after[0] - before[0]}, skipped slots: {after[1] - before[1]}")


def share_of_a_core(process: int, seconds: float) -> float:
    before, began = cpu(process), time.monotonic()
    time.sleep(seconds)
    return (cpu(process) - before) / (time.monotonic() - began) * 100


def look(port: int, stop: threading.Event) -> None:
    """Do what a page of eight channels and 10 minutes does: follow the stream, and fetch the chart once a minute."""
    address = f"GET /api/series?channel=1,2,3,4,5,6,7,8&from={(time.time() - 700) * 1e3}&buckets=500&quick=1"
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.settimeout(1)
        stream.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        due = time.monotonic()
        while not stop.is_set():
            if time.monotonic() >= due:
                due += 60
                with socket.create_connection(("127.0.0.1", port)) as chart:
                    chart.sendall(f"{address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    while chart.recv(65536):
                        continue
            try:
                stream.recv(65536)
            except TimeoutError:
                continue


def stay_open(seconds: float) -> None:
    with recorder() as file, page(file) as (process, port), browser() as driver:
        driver.get(f"http://127.0.0.1:{port}/")
        wait_until(lambda: driver.execute_script("return riglogPage.plots.zooms.length"), "the first picture")
        driver.execute_cdp_cmd("Performance.enable", {})
        end = time.monotonic() + seconds
        while True:
            driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
            found: dict[str, Any] = {
                each["name"]: each["value"] for each in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
            }
            left = end - time.monotonic()
            server = held(process.pid)
            show(
                f"{seconds - left:6.0f} s: heap {found['JSHeapUsedSize'] / 1e6:.2f} MB, {found['Nodes']:.0f} nodes,"
                f" {found['JSEventListeners']:.0f} listeners, {found['TaskDuration']:.1f} s of the main thread;"
                f" server: {server['VmRSS']}, {server['Threads']} threads, {cpu(process.pid):.1f} s CPU"
            )
            if left <= 0:
                return
            time.sleep(min(seconds / 12, left))


def held(process: int) -> dict[str, str]:
    """Return what a process holds: its fields VmRSS and Threads."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


if __name__ == "__main__":
    what, *more = sys.argv[1:]
    if what == "zoom":
        zoom(Path(more[0]))
    else:
        {"clients": clients, "open": stay_open}[what](float(more[0]) if more else 60.0)
