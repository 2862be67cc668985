"""The server over real sockets: every reply has its headers, and no browser can use the server up."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from live_page import request, served, source_of, wait_until
from recorded import WARM, make_run, steady, store

from riglog.live import server as servers
from riglog.live.server import HEADERS, LiveServer
from riglog.sinks import SqliteSink

pytestmark = pytest.mark.real_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path, run = tmp_path / "a.sqlite", make_run()
    anyio.run(store, SqliteSink(path), run, list(steady(run, [WARM], 20)))
    return path


@pytest.fixture
def server(path: Path) -> Iterator[LiveServer]:
    with served(source_of(path)) as server:
        yield server


def sent(server: LiveServer, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
    connection.sendall(data)
    return connection


def read_all(connection: socket.socket) -> bytes:
    found = b""
    with connection:
        while data := connection.recv(65536):
            found += data
    return found


GET = b"GET /api/latest HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "path_of_page", ["/", "/api/latest", "/none", "/metrics", "/static/page.js", "/api/series?channel=99"]
)
def test_every_reply_has_the_headers_of_the_security_policy(server: LiveServer, path_of_page: str) -> None:
    reply = request(server, path_of_page)
    assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in reply.headers["Content-Security-Policy"]
    assert "Python" not in reply.headers["Server"]


def test_head_has_no_content_and_other_methods_are_refused(server: LiveServer) -> None:
    assert request(server, "/", "HEAD").body == b""
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
        assert request(server, "/", method).status in (400, 501)


def test_a_stream_sends_what_is_there_and_ends_with_the_server(path: Path) -> None:
    with served(source_of(path)) as server:
        connection = sent(server, b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = b""
        while b"event: hello" not in head:
            head += connection.recv(65536)
        assert b"text/event-stream" in head
    assert read_all(connection) is not None


HEAD = b"GET /api/session HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Host: evil.example\r\n\r\n",
        HEAD + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n",
        HEAD + b"Origin: http://localhost\r\nOrigin: http://evil.example\r\n\r\n",
        b"GET http://evil.example/api/session HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/latest HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"\0\xff\r\n\r\n",
    ],
)
def test_a_request_with_two_meanings_is_refused_with_the_headers_of_the_policy(server: LiveServer, data: bytes) -> None:
    head, _, body = read_all(sent(server, data)).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))
    assert b"Content-Security-Policy: " in head
    assert body == b'{"error":"not a request that this page has","hint":null}'


def test_an_error_of_riglog_in_a_request_is_a_reply_and_in_the_log(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(servers, "respond", lambda *_: {}["mistake"])
    reply = request(server, "/api/latest?x=secret")
    assert (reply.status, b"error of riglog" in reply.body) == (500, True)
    assert "a request failed" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "data", [b"\0\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000, b"GET /\r\n\r\n", b"\r\n\r\n"]
)
def test_what_is_not_http_costs_only_its_connection(server: LiveServer, data: bytes) -> None:
    connection = sent(server, data)
    connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):
        read_all(connection)
    assert request(server, "/api/latest").status == 200


@pytest.mark.parametrize(("length", "status"), [("99999", 413), ("9" * 40, 413), ("-1", 411), ("", 411), ("x", 411)])
def test_a_note_that_is_too_long_is_not_read(server: LiveServer, length: str, status: int) -> None:
    data = f"POST /api/notes HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
    assert read_all(sent(server, data)).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_request_that_never_ends_is_cut_off(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "REQUEST_SECONDS", 0.5)
    connection = sent(server, b"GET / HTTP/1.1\r\nX: ")
    started = time.monotonic()
    with connection:
        connection.settimeout(20)
        try:
            while time.monotonic() < started + 20:
                connection.sendall(b"a")  # a byte now and then is within every timeout of a socket
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - started < 10


def test_a_browser_that_accepts_nothing_is_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "WRITE_SECONDS", 0.3)
    with served(source_of(path)) as server:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", server.server_port))
        connection.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: server._deadlines, "the connection is there")
        with server.feed._changed:
            look = server.feed.look
        channel = look.channels[0]
        for number in range(400):
            channel.error = f"{number}" + "x" * 20_000
            server.feed.take(look)
            if not server._deadlines:
                break
            time.sleep(0.02)
        wait_until(lambda: not server._deadlines, "the browser is dropped", 20)
        connection.close()
        assert request(server, "/api/latest").status == 200


def test_connections_are_limited_and_free_again_when_they_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MOST_CONNECTIONS", 3)
    with served(source_of(path)) as server:
        held = [sent(server, b"GET / HTTP/1.1\r\n") for _ in range(3)]
        wait_until(lambda: len(server._deadlines) == 3, "three connections are there")
        with suppress(ConnectionResetError):
            assert read_all(sent(server, GET)) == b""
        for connection in held:
            connection.close()
        wait_until(lambda: not server._deadlines, "they are gone")
        assert request(server, "/api/latest").status == 200
