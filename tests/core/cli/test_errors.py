"""Errors on the command line: one line each, and the exit code."""

import click
import pytest

from riglog.cli.console import messages
from riglog.cli.errors import DEVICE, STORAGE, USAGE, explain, print_error, sentence
from riglog.errors import (
    ConfigError,
    ConfirmationError,
    PortNotFoundError,
    ReplyTimeoutError,
    StorageError,
    UnsupportedError,
)


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
