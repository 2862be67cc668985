"""A live page in this process, requests to it, and a real browser that looks at it."""

import http.client
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from riglog.cli.console import format_value
from riglog.live.access import Access
from riglog.live.feed import Feed
from riglog.live.recording import SqliteSource
from riglog.live.requests import Reply, Request, respond
from riglog.live.server import LiveServer
from riglog.live.source import Source

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 120.0


def shown(value: float | None, text: str | None) -> str:
    return (text or "") if value is None else format_value(value, text)


OPENED: list[SqliteSource] = []
"""Closed after each test of tests/core/live."""


def source_of(path: Path) -> SqliteSource:
    source = SqliteSource(path, shown)
    OPENED.append(source)
    return source


class Page:
    """A page without a socket: requests are handed to it."""

    def __init__(self, source: Source, token: str | None = None, address: str = "127.0.0.1") -> None:
        self.feed = Feed(source)
        self.feed.take(source.look(time.time_ns()))
        self.access = Access(address, token)

    def reply(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        given = {"Host": "127.0.0.1:8470"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return respond(Request(method, path, given, body), self.feed, self.access)

    def json(self, path: str) -> Any:
        reply = self.reply(path)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def look(self) -> None:
        self.feed.take(self.feed.source.look(time.time_ns()))


@contextmanager
def served(source: Source, token: str | None = None) -> Iterator[LiveServer]:
    """Serve a page on a free port while the block runs."""
    feed = Feed(source)
    server = LiveServer(feed, Access("127.0.0.1", token), 0)
    feed.start()
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        feed.stop()


def request(server: LiveServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """Send one request over a socket; return status, content and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        found = connection.getresponse()
        names: Mapping[str, str] = dict(found.getheaders())
        return Reply(status=found.status, kind=names.get("Content-Type", ""), body=found.read(), headers=names)
    finally:
        connection.close()


@contextmanager
def browser(width: int = 1300, height: int = 900) -> Iterator[Any]:
    """A headless Chromium. Skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="riglog-chromium-", ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            started.set_page_load_timeout(PATIENCE)
            started.set_script_timeout(PATIENCE)
            resize(started, width, height)
            yield started
        finally:
            started.quit()


def resize(driver: Any, width: int, height: int) -> None:
    """Give the page the size of another screen."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds; return what it gives."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return found


def complaints(driver: Any) -> list[str]:
    """What the browser has refused or failed to do: errors of scripts, and violations of the security policy."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
