"""``riglog plugins``: what is installed, and why a plugin failed to load."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from riglog.cli.commands.plugins import command
from riglog.cli.console import results
from riglog.plugin import Plugin

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line [3]\nZeroDivisionError: division by zero\n'
LOADED = Plugin(name="good", distribution="riglog-good", version="1.0")
FAILED = Plugin(
    name="bad",
    distribution="riglog-bad",
    version="0.1",
    problem="import: ZeroDivisionError: division by zero",
    traceback=TRACEBACK,
)


def plugins(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    registry = SimpleNamespace(plugins=(LOADED, FAILED), drivers={}, sinks={})
    monkeypatch.setattr("riglog.plugin.installed", lambda: registry)
    monkeypatch.setenv("COLUMNS", "200")
    results.cache_clear()
    done = CliRunner().invoke(command, list(arguments))
    results.cache_clear()
    assert done.exit_code == 0
    return done.output


def test_a_plugin_is_loaded_or_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    text = plugins(monkeypatch)
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("good")] == ["loaded"]
    assert "import: ZeroDivisionError: division by zero" in text
    assert "Traceback" not in text


def test_verbose_shows_the_traceback_of_a_plugin_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = plugins(monkeypatch, "--verbose")
    assert f"plugin bad:\n{TRACEBACK}" in text
    assert "plugin good:" not in text


def test_json_has_the_traceback_only_with_verbose(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "traceback" not in json.loads(plugins(monkeypatch, "--json"))["plugins"][1]
    assert json.loads(plugins(monkeypatch, "--json", "--verbose"))["plugins"][1]["traceback"] == TRACEBACK
