"""Errors on the command line: one line each, and the exit code."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from riglog.cli.app import cli
from riglog.cli.console import messages
from riglog.cli.errors import DEVICE, STORAGE, USAGE, explain, print_error, sentence
from riglog.errors import (
    ConfigError,
    ConfirmationError,
    PortNotFoundError,
    ReplyTimeoutError,
    StorageError,
    UnsupportedError,
    did_you_mean,
)
from riglog.protocol.failures import no_reply


@pytest.fixture(autouse=True)
def _new_console() -> None:
    """The console of the test's own stderr."""
    messages.cache_clear()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), USAGE),
        (ConfirmationError("x"), USAGE),
        (click.UsageError("x"), USAGE),
        (PortNotFoundError("x"), DEVICE),
        (ReplyTimeoutError("x"), DEVICE),
        (UnsupportedError("x"), DEVICE),
        (StorageError("x"), STORAGE),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert explain(error) == code


def test_a_group_is_one_line_per_error_and_the_code_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup(
        "inner", [PortNotFoundError("port not found", hint="Check the cable"), ConfigError("wrong key")]
    )
    assert explain(ExceptionGroup("outer", [inner, StorageError("disk full")])) == DEVICE
    assert capsys.readouterr().err.splitlines() == [
        "error: port not found. Check the cable.",
        "error: wrong key",
        "error: disk full",
    ]


def test_an_error_that_is_not_raised_on_purpose_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        explain(ExceptionGroup("", [ConfigError("x"), ZeroDivisionError()]))


def test_a_hint_is_a_sentence_of_its_own_and_brackets_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("device[0]: unknown key", "Did you mean 'address'?")
    assert capsys.readouterr().err == "error: device[0]: unknown key. Did you mean 'address'?\n"


@pytest.mark.parametrize(("text", "expected"), [("Retry", "Retry."), ("Done.", "Done."), ("Really?", "Really?")])
def test_a_sentence_ends_with_one_mark(text: str, expected: str) -> None:
    assert sentence(text) == expected


@pytest.mark.parametrize(
    ("port", "scan"), [("/dev/ttyUSB0", "`riglog discover --port /dev/ttyUSB0`"), (None, "`riglog discover`")]
)
def test_without_a_reply_the_next_step_names_the_port_and_the_request_is_left_out(
    capsys: pytest.CaptureFixture[str], port: str | None, scan: str
) -> None:
    error = no_reply(0.5, b"", "no_reply", request=b"\x55\xff", device="oven", port=port, address=5)
    explain(error)
    place = "oven (/dev/ttyUSB0, address 5)" if port else "oven (address 5)"
    assert capsys.readouterr().err == (
        f"error: {place}: no reply within 0.5 s. Check power, wiring, address, baud rate and protocol;"
        f" {scan} lists what responds.\n"
    )
    assert "[request=55 ff]" in str(error)


def test_a_port_that_is_not_there_is_not_scanned(capsys: pytest.CaptureFixture[str]) -> None:
    hint = "Check that the adapter is plugged in; `riglog discover` scans the ports of this machine"
    explain(PortNotFoundError("port not found", hint=hint, port="COM3"))
    assert capsys.readouterr().err == f"error: COM3: port not found. {hint}.\n"


@pytest.mark.parametrize("command", [["gaps"], ["events"], ["tail"], ["export", "--out", "x.csv"], ["gaps", "--json"]])
def test_a_recording_without_content_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.sqlite").touch()
    done = CliRunner().invoke(cli, [command[0], "empty.sqlite", *command[1:]], catch_exceptions=False)
    assert done.exit_code == 0
    assert "warning: empty.sqlite: nothing was recorded" in done.stderr


def test_the_first_word_of_several_names_gives_all_of_them() -> None:
    known = ["stdbus", "modbus-rtu", "modbus-ascii", "modbus-tcp"]
    assert did_you_mean("modbus", known) == "Did you mean 'modbus-rtu', 'modbus-ascii' or 'modbus-tcp'? "
    assert did_you_mean("modbus-rtv", known) == "Did you mean 'modbus-rtu'? "
    assert did_you_mean("", known) == ""


@pytest.mark.parametrize(
    ("received", "hint"),
    [
        (b"28-11-26;12:00:01;I1;20.95;%\r\n", "instrument in continuous output mode"),
        (b"\x01\x03\x02\x00\x00garbage", "Check baud rate, parity and protocol"),
        (b"12 \r\n", "Check baud rate, parity and protocol"),
    ],
)
def test_text_instead_of_a_reply_is_named(received: bytes, hint: str) -> None:
    assert hint in no_reply(1.0, received, "bad_crc", request=b"\x01\x03\x00\x00\x00\x02\xc4\x0b").hint


def test_text_on_a_line_of_text_is_nothing_unusual() -> None:
    hint = no_reply(1.0, b"SI ?????\r\n", "malformed", request=b"SI GROSS\r\n").hint
    assert hint.startswith("Check baud rate")


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "postgresql://lab:TOPSECRET@h/db"),
        ("gaps", "postgresql://lab:TOP@SECRET@h/db"),
        ("export", "postgresql://lab:TOPSECRET@h/db", "--format", "csv"),
        ("record", "postgresql://lab:TOPSECRET@h/db"),
        ("live", "lab:TOPSECRET@h"),
        ("live", "host=h password=TOPSECRET"),
    ],
)
def test_a_password_is_not_printed_where_an_address_is_given_instead_of_a_file(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is not None
    with messages().capture() as printed:
        explain(result.exception)
    assert printed.get().startswith("error: ")
    assert "SECRET" not in printed.get() + result.output


def test_too_little_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(ExceptionGroup("", [MemoryError()])) == STORAGE
    assert capsys.readouterr().err.startswith("error: out of memory. Free memory, or raise its limit")


def test_a_path_that_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is too long, or a directory that may not be read; any other error of the system is a bug."""
    with pytest.raises(OSError, match="name too long") as raised:
        (Path("n" * 300)).stat()
    assert explain(raised.value) == STORAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: nnn")
    assert line.endswith(": cannot be used: File name too long. Check the path and its permissions.")
    with pytest.raises(OSError, match="of a bug"):
        explain(OSError("of a bug"))
