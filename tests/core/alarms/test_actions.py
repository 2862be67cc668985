"""Actions: what is sent, what a failure shows, and that none can hold up what starts it."""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from riglog.alarms import Dispatcher, EmailAction, ProgramAction, WebhookAction
from riglog.alarms.actions import ActionError, Facts
from riglog.alarms.dispatch import QUEUE_SIZE

FACTS: Facts = {
    "alarm": "too hot\nBcc: x@y",
    "channel": "oven.level",
    "state": "raised",
    "text": "$(reboot) `id` ; ü \x1b",
    "value": 201.5,
}
pytestmark = [pytest.mark.real_time, pytest.mark.filterwarnings("ignore::ResourceWarning")]


class Handler(BaseHTTPRequestHandler):
    status = 200
    received: list[tuple[str, dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append((self.path, dict(self.headers), self.rfile.read(length)))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@contextmanager
def server(status: int = 200) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    handler = type("Handler", (Handler,), {"status": status, "received": []})
    with HTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/t0ken", handler.received  # type: ignore[attr-defined]
        http.shutdown()
        thread.join()


def test_a_webhook_gets_the_facts_as_json() -> None:
    with server() as (url, received):
        WebhookAction(name="hook", timeout=5, url=url, headers={"Authorization": "Bearer x"}).run(FACTS)
    ((path, headers, body),) = received
    assert (path, headers["Content-Type"], headers["Authorization"]) == ("/t0ken", "application/json", "Bearer x")
    assert json.loads(body) == FACTS


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_an_error_without_the_address_and_nothing_is_followed(status: int) -> None:
    with server(status) as (url, received):
        with pytest.raises(ActionError, match=f"status {status}") as caught:
            WebhookAction(name="hook", timeout=5, url=url).run(FACTS)
        assert len(received) == 1
    assert "t0ken" not in str(caught.value)


def test_no_connection_and_no_response_are_errors_without_the_address() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/t0ken"
        with pytest.raises(ActionError, match="not sent") as refused:
            WebhookAction(name="hook", timeout=5, url=url).run(FACTS)
        listening.listen()
        with pytest.raises(ActionError, match="no response in time") as late:
            WebhookAction(name="hook", timeout=0.1, url=url).run(FACTS)
    assert "t0ken" not in f"{refused.value}{late.value}"


@contextmanager
def mail_server(*, accepts: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Serve one SMTP session without encryption."""
    lines: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as stream:

            def reply(text: str) -> None:
                stream.write(f"{text}\r\n".encode())
                stream.flush()

            reply("220 test")
            in_data = False
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                verb = line[:4].upper()
                lines.append(line)
                if in_data:
                    in_data = line != "."
                    if not in_data:
                        reply("250 ok")
                elif verb == "DATA":
                    in_data = True
                    reply("354 go")
                elif verb == "QUIT":
                    reply("221 bye")
                    return
                else:
                    reply("250 ok" if accepts or verb != "MAIL" else "550 not from p4ssword")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], lines
    thread.join(5)
    listening.close()


def mail(port: int, security: str = "none") -> EmailAction:
    return EmailAction(
        name="mail", timeout=5, host="127.0.0.1", port=port, security=security, sender="rig@x.org", to=("me@x.org",)
    )


def test_an_email_has_the_facts_and_no_header_from_a_text() -> None:
    with mail_server() as (port, lines):
        mail(port).run(FACTS)
    assert "Subject: too hot Bcc: x@y raised: oven.level" in lines
    assert [line for line in lines if line.lower().startswith(("bcc:", "rcpt"))] == ["rcpt TO:<me@x.org>"]
    assert "value: 201.5" in lines


def test_a_mail_server_that_refuses_or_has_no_encryption_is_an_error_without_its_words() -> None:
    with mail_server(accepts=False) as (port, _), pytest.raises(ActionError, match="code 550") as caught:
        mail(port).run(FACTS)
    assert "p4ssword" not in str(caught.value)
    with mail_server() as (port, lines), pytest.raises(ActionError, match="not sent"):
        mail(port, "starttls").run(FACTS)
    assert not [line for line in lines if line.startswith(("MAIL", "mail", "AUTH"))]


@pytest.mark.skipif(sys.platform == "win32", reason="programs of POSIX")
def test_a_program_gets_the_facts_on_its_input_and_no_text_as_an_argument(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read() + repr(sys.argv[2:]))"
    ProgramAction(name="p", timeout=20, arguments=(sys.executable, "-c", code, str(out), "$HOME; id")).run(FACTS)
    line, _, arguments = out.read_text().partition("\n")
    assert json.loads(line) == FACTS
    assert arguments == "['$HOME; id']"


@pytest.mark.skipif(sys.platform == "win32", reason="programs of POSIX")
def test_a_program_that_fails_or_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="cannot be started: No such file"):
        ProgramAction(name="p", timeout=5, arguments=(str(tmp_path / "none"),)).run(FACTS)
    with pytest.raises(ActionError, match="exit code 3"):
        ProgramAction(name="p", timeout=5, arguments=("/bin/sh", "-c", "exit 3")).run(FACTS)
    late = tmp_path / "late"
    hanging = f"(sleep 1.5; touch {late}) & sleep 60"
    began = time.monotonic()
    with pytest.raises(ActionError, match="time limit"):
        ProgramAction(name="p", timeout=0.2, arguments=("/bin/sh", "-c", hanging)).run(FACTS)
    assert time.monotonic() - began < 1.4
    time.sleep(1.6 - (time.monotonic() - began))
    assert not late.exists()


class Blocking:
    """An action that waits until it is let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.timeout = 1.0
        self.let_go = threading.Event()
        self.done: list[Facts] = []

    def run(self, facts: Facts) -> None:
        self.let_go.wait(20)
        if facts.get("fails"):
            raise RuntimeError("bug\nin it")
        self.done.append(facts)


def test_an_action_that_hangs_delays_neither_its_alarm_nor_other_actions() -> None:
    failed: list[tuple[str, str]] = []
    hanging, fine = Blocking("hanging"), Blocking("fine")
    fine.let_go.set()
    dispatcher = Dispatcher([hanging, fine], lambda name, reason: failed.append((name, reason)))
    began = time.monotonic()
    for number in range(QUEUE_SIZE + 10):
        dispatcher.start(["hanging"], {"number": number})
    dispatcher.start(["fine"], {"fails": True})
    dispatcher.start(["fine"], {"number": 1})
    assert not dispatcher.close(0.2)
    assert time.monotonic() - began < 5
    assert fine.done == [{"number": 1}]
    assert ("fine", "RuntimeError: bug in it") in failed
    dropped = [reason for name, reason in failed if name == "hanging"]
    assert 8 <= len(dropped) <= 10
    assert {*dropped} == {"dropped, because earlier ones have not ended"}
    hanging.let_go.set()
