"""The HTTP server of the page: threads of the standard library, with a limit on everything that a browser can use up.

So many connections and no more; a request must be complete within seconds; a browser that takes nothing is dropped.
"""

import socket
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

from riglog.errors import RiglogError
from riglog.live.access import Access
from riglog.live.feed import Feed
from riglog.live.requests import Reply, Request, refused, respond
from riglog.log import get_logger

MOST_CONNECTIONS = 250
REQUEST_SECONDS = 15.0
"""From the connection to the end of its request, and of the reply."""
WRITE_SECONDS = 5.0
ONCE = ("Host", "Origin", "Content-Length", "Content-Type", "Transfer-Encoding", "Authorization", "X-Riglog-Token")
"""Headers that two servers read differently if they are there twice: a proxy, and this one."""
MOST_BODY = 16 * 1024
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
log = get_logger("riglog.live")


class LiveServer(ThreadingHTTPServer):
    """Serves the page of a feed.

    Args:
        access: where it listens, and who may use it.
        port: 0: any free one; see ``server_port``.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there, it takes a port away from another program
    block_on_close = False
    request_queue_size = 128

    def __init__(self, feed: Feed, access: Access, port: int) -> None:
        if ":" in access.address:
            self.address_family = socket.AF_INET6
        self.feed = feed
        self.access = access
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__((access.address, port), _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the name of the address, which can take long without a network."""
        super(HTTPServer, self).server_bind()
        self.server_name, self.server_port = self.access.address, self.server_address[1]
        self.access.port = self.server_port

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # no reply: nothing here waits for a browser
            return
        self.limit(request, REQUEST_SECONDS)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._forget(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close connections whose time is over. Called twice in a second."""
        now = time.monotonic()
        with self._lock:
            over = [connection for connection, end in self._deadlines.items() if end < now]
        for connection in over:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def limit(self, connection: socket.socket, seconds: float | None) -> None:
        """Give a connection so much time from now on; None: any time."""
        with self._lock:
            if connection not in self._deadlines and seconds is None:
                return
            self._deadlines[connection] = float("inf") if seconds is None else time.monotonic() + seconds

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that is gone is no error; anything else is logged, and costs its own request."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("a request failed")

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            known = self._deadlines.pop(connection, None)
        if known is not None:
            self._places.release()


class _Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server: LiveServer
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_SECONDS
    server_version = "riglog"
    sys_version = ""

    def parse_request(self) -> bool:
        """Read the head of a request. Refuse also one that a proxy may take for another request than this server."""
        if not super().parse_request():
            return False
        headers = self.headers
        if headers.defects or not self.path.startswith("/") or any(len(headers.get_all(name, ())) > 1 for name in ONCE):
            self.send_error(400)
            return False
        return True

    def do_GET(self) -> None:
        self._respond(None)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            self._send(refused(411, "the length of the content is missing"))
        elif len(length) > 9 or int(length) > MOST_BODY:
            self._send(refused(413, f"a note has at most {MOST_BODY} bytes"))
        else:
            self._respond(self.rfile.read(int(length)))

    def _respond(self, body: bytes | None) -> None:
        server = self.server
        try:
            reply = respond(Request(self.command, self.path, self.headers, body), server.feed, server.access)
        except RiglogError as error:
            reply = refused(400, error.text(without=("path", "file")), error.hint)
        except Exception:
            log.exception("a request failed")
            reply = refused(500, "the request failed: an error of riglog", "Report it, with the address of the request")
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.close_connection = True
        self.request_version = self.protocol_version  # else what is no request gets a reply without headers
        self.connection.settimeout(WRITE_SECONDS)
        self.server.limit(self.connection, REQUEST_SECONDS)
        self.send_response(reply.status)
        for name, value in {**HEADERS, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.kind)
        if reply.stream is None:
            self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if reply.stream is None:
            self.wfile.write(reply.body)
            return
        self.server.limit(self.connection, None)
        with closing(reply.stream):
            for data in reply.stream:
                self.wfile.write(data)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Reply to what is no HTTP request, or one with another method."""
        self.command = getattr(self, "command", None) or "GET"
        self._send(refused(code, "not a request that this page has"))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: an address can have the token in it."""
