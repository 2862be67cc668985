"""What a user types on a live screen, and how alarms are shown there."""

import io
import os
import select
import sys

import pytest
from rich.console import Console

from riglog.cli.keys import keys
from riglog.cli.live_table import AlarmLine, ChannelLine, LiveView, render, room_for_channels
from riglog.cli.operator import Operator
from riglog.errors import StorageError


def operator(waiting: int = 0) -> tuple[Operator, list[str]]:
    found: list[str] = []

    def acknowledge() -> int:
        found.append("acknowledged")
        return waiting

    return Operator(found.append, acknowledge), found


def type_keys(to: Operator, text: str) -> list[bool]:
    return [to.key(key) for key in text]


def test_a_note_is_typed_corrected_and_stored_with_enter() -> None:
    typed, found = operator()
    assert all(type_keys(typed, "ndoor q\x7fopen\x1b\r"))  # a control character is not text
    assert found == ["door open"]
    assert (typed.line, typed.typing) == ("note: door open", False)
    type_keys(typed, "nx\x15ü\n")
    assert found[1:] == ["ü"]


def test_a_note_can_be_discarded_and_an_empty_one_is_none() -> None:
    typed, found = operator()
    typed.key("n")
    typed.key("x")
    assert "note: x_" in typed.line
    assert typed.key("up")
    assert typed.key("escape")
    assert (typed.typing, typed.line) == (False, "")
    type_keys(typed, "n  \r")
    assert (found, typed.line) == ([], "")


def test_other_keys_are_left_to_the_screen() -> None:
    typed, found = operator()
    assert [typed.key(key) for key in ("q", "up", " ", "j")] == [False] * 4
    assert found == []


def test_alarms_are_acknowledged_and_an_error_is_shown() -> None:
    typed, _ = operator(2)
    typed.key("a")
    assert typed.line == "alarms acknowledged: 2"
    none, _ = operator(0)
    none.key("a")
    assert none.line == "no alarm to acknowledge"

    def refuse(_: str) -> None:
        raise StorageError("disk full", hint="Free disk space")

    failing = Operator(refuse, lambda: 0)
    type_keys(failing, "nx\r")
    assert failing.line == "disk full"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (60, 8)])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_alarms_stand_below_the_channels_and_take_a_quarter_at_most(width: int, height: int, count: int) -> None:
    lines = [
        ChannelLine(
            device="oven", channel=f"p{n}", value=1.0, text=None, unit="V", status="ok", error=None, age=1.0, old=False
        )
        for n in range(100)
    ]
    alarms = [AlarmLine(f"a{n}\x1b[31m", "oven.p1", n % 2 == 0, n % 3 == 0, "above 20: 25") for n in range(count)]
    view = LiveView(facts=("file",), lines=lines, alarms=alarms, events=["event"] * 9, footer="help")
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(render(view, width, height))
    shown = console.export_text().splitlines()
    assert len(shown) == height
    assert "\x1b" not in "".join(shown)
    found = [line for line in shown if "ALARM" in line or "was raised" in line or "more alarms" in line]
    assert len(found) == min(count, max(1, height // 4))
    if count > len(found):
        assert f"and {count - len(found) + 1} more alarms" in found[-1]
    assert shown[-1].startswith("help")
    assert sum(line.startswith("oven") for line in shown) == room_for_channels(view, height)


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing, monkeypatch.context() as changed:
        changed.setattr(sys, "stdin", nothing)
        with keys() as pressed:
            assert (pressed.pressed(), pressed.usable) == ([], False)


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_the_terminal_of_another_program_is_neither_read_nor_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty
    import termios

    leader, follower = pty.openpty()
    with open(follower) as terminal, monkeypatch.context() as changed:
        changed.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(follower)
        os.write(leader, b"ls\n")
        select.select([follower], [], [], 5)  # the operating system passes it on in its own time
        with keys() as pressed:
            assert pressed.pressed() == []
            assert termios.tcgetattr(follower) == before
            changed.setattr("os.tcgetpgrp", lambda _: os.getpgrp())
            assert pressed.pressed() == []  # what was typed for another program is discarded
            assert not termios.tcgetattr(follower)[3] & termios.ICANON
            os.write(leader, "ü\x1b[A\x1bk ".encode())
            select.select([follower], [], [], 5)
            assert pressed.pressed() == ["ü", "up", "escape", "k", " "]
        assert termios.tcgetattr(follower) == before
    os.close(leader)
