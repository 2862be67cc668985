"""Printing: no text from outside reaches a terminal as control characters, and a screen that fails ends nothing."""

import errno
import io
import json
import sys
import threading
import time
from typing import Any

import pytest

from riglog.cli.console import add_row, messages, print_json, print_warning, results, table
from riglog.cli.errors import print_error
from riglog.cli.screen import DRAIN_SECONDS, STDERR, STDOUT, WAITING_TEXTS, Screen, printable

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",  # clears the screen, sets the title
    "\x9b2J",  # the same as one character
    "a\rb",  # overwrites the line
    "a\bb",
    "a\nfaked: line",
    "\u202etxt.exe",  # reverses the text
    "\u200bhidden",
    "\x7f",
    "\x00",
]


class Broken(io.StringIO):
    """A stream that fails with every write."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.EIO, "Input/output error")


class Blocked(io.StringIO):
    """A stream that accepts nothing until it is released, as a terminal after Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str, /) -> int:
        self.released.wait(10)
        return super().write(text)


@pytest.fixture(autouse=True)
def _new_consoles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    messages.cache_clear()
    results.cache_clear()


def harmless(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_from_outside_is_printed_as_characters(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = table("text", title=text)
    add_row(listed, text)
    results().print(listed)
    results().print(text.replace("\n", ""), markup=False)
    print_error(text, text)
    printed = capsys.readouterr()
    assert harmless(printed.out)
    assert harmless(printed.err)
    assert printable(text) in printed.out
    assert "faked: line" not in [line.strip() for line in printed.out.splitlines()]


@pytest.mark.parametrize("text", HOSTILE)
def test_json_has_the_same_content_and_no_control_characters(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": f"{text}\U000e0041"})
    printed = capsys.readouterr().out
    assert harmless(printed)
    assert json.loads(printed) == {"text": f"{text}\U000e0041"}


def test_a_name_between_colons_is_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    text = "sim:a: 1 slot skipped [:bomb:]"
    listed = table("text", title=text)
    add_row(listed, text)
    results().print(listed)
    print_warning(text)
    print_error(text, text)
    printed = capsys.readouterr()
    assert printed.out.count(text) == 2
    assert printed.err.count(text) == 3


def test_letters_signs_and_units_are_kept() -> None:
    assert printable("Größe µ 5 °C, 10³ Ω, 中文 [x]") == "Größe µ 5 °C, 10³ Ω, 中文 [x]"


@pytest.mark.parametrize("stream", [Broken(), None], ids=["broken", "closed"])
def test_what_cannot_be_printed_raises_no_error(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    messages().print("recording")
    error = STDERR.take_error()
    assert (None if error is None else str(error)) == (None if stream is None else "[Errno 5] Input/output error")
    assert STDERR.take_error() is None


def test_a_screen_that_accepts_nothing_delays_nothing_and_prints_later(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = Blocked()
    monkeypatch.setattr(sys, "stderr", blocked)
    screen = Screen("stderr")
    with screen.in_background():
        for number in range(2 * WAITING_TEXTS):
            screen.write(f"{number}\n")
    assert not screen.idle
    screen.write("more\n")
    blocked.released.set()
    while not screen.idle:
        time.sleep(0.001)
    lines = blocked.getvalue().splitlines()
    assert lines == [str(number) for number in range(len(lines))]
    assert len(lines) >= WAITING_TEXTS


def test_after_the_background_texts_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    screen = Screen("stderr")
    with screen.in_background():
        screen.write("one ")
    screen.write("two")
    assert stream.getvalue() == "one two"
    assert DRAIN_SECONDS <= 1.0


def test_a_result_comes_after_the_messages_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    with STDERR.in_background():
        for number in range(20):
            messages().print(f"message {number}")
            results().print(f"result {number}")
    expected = [f"{kind} {number}" for number in range(20) for kind in ("message", "result")]
    assert [line.strip() for line in stream.getvalue().splitlines()] == expected
    assert STDOUT.take_error() is None


def test_without_a_further_thread_texts_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system starts no more threads: no memory, or the limit of a service. The program goes on."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    screen = Screen("stderr")
    with screen.in_background(), messages().status("opening"):
        screen.write("recorded")
        assert stream.getvalue() == "recorded"
