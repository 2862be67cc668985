"""``[[alarm]]`` and ``[actions.NAME]``: what is read, and every mistake with its place and the next step."""

from pathlib import Path

import pytest

from riglog.alarms import EmailAction, ProgramAction, WebhookAction
from riglog.config import RigConfig, load_rig
from riglog.errors import ConfigError
from riglog.model import Status
from riglog.plugin import Registry

RIG = """
[run]
rate_hz = 0.01
[[sink]]
type = "memory"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
[[device]]
name = "fast"
driver = "toy"
port = "sim:bus2"
rate_hz = 10
"""
GOOD = """
[[alarm]]
name = "too hot"
channel = ["fast.level", "fast.level[2]"]
high = 200
low = 10.5
hysteresis = 2
rate = 5
unit = "mm"
status = ["fault", "suspect"]
text = "OL"
stale = "5m"
for = 10
actions = ["hook", "mail", "lamp"]
[[alarm]]
name = "slow"
channel = "oven.level"
status = "missing"
[actions.hook]
type = "webhook"
url = "https://example.org/${HOOK_TOKEN}"
headers = { Authorization = "Bearer ${HOOK_TOKEN}" }
[actions.mail]
type = "email"
host = "smtp.example.org"
from = "rig@example.org"
to = "me@example.org"
user = "lab"
password = "${HOOK_TOKEN}"
[actions.lamp]
type = "program"
arguments = ["lamp", "on"]
timeout = 3
"""


def load(tmp_path: Path, registry: Registry, text: str) -> RigConfig:
    path = tmp_path / "rig.toml"
    path.write_text(RIG + text)
    return load_rig(path, registry=registry)


def mistakes(tmp_path: Path, registry: Registry, text: str) -> list[ConfigError]:
    with pytest.raises(ExceptionGroup) as caught:
        load(tmp_path, registry, text)
    return [error for error in caught.value.exceptions if isinstance(error, ConfigError)]


def test_alarms_and_actions_are_read(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "s3cret")
    rig = load(tmp_path, registry, GOOD)
    hot, slow = rig.alarms
    assert (hot.channels, hot.high, hot.low, hot.rate, hot.unit) == (
        ("fast.level", "fast.level[2]"),
        200,
        10.5,
        5,
        "mm",
    )
    assert (hot.status, hot.text, hot.stale_s, hot.hold_s) == ((Status.FAULT, Status.SUSPECT), ("OL",), 300, 10)
    assert (slow.stale_s, slow.hold_s) == (500, 0)  # five periods of a slow device
    hook, mail, lamp = rig.actions
    assert isinstance(hook, WebhookAction)
    assert (hook.url, hook.headers["Authorization"]) == ("https://example.org/s3cret", "Bearer s3cret")
    assert isinstance(mail, EmailAction)
    assert (mail.port, mail.security, mail.to, mail.timeout) == (587, "starttls", ("me@example.org",), 10)
    assert isinstance(lamp, ProgramAction)
    assert (lamp.arguments, lamp.timeout) == (("lamp", "on"), 3)
    assert "s3cret" not in rig.text
    assert "${HOOK_TOKEN}" in rig.text
    assert not any("s3cret" in alarm.definition("x.y") for alarm in rig.alarms)


def test_a_secret_that_was_written_into_the_file_is_not_stored_with_the_run(tmp_path: Path, registry: Registry) -> None:
    text = load(
        tmp_path,
        registry,
        """
        [actions.hook]
        type = "webhook"
        url = "https://hooks.example.org/services/T00/B00/XXXX?key=YYYY"
        headers = { Authorization = "Bearer ZZZZ" }
        [actions.mail]
        type = "email"
        host = "h"
        from = "a@b"
        to = ["c@d"]
        password = "PPPP"
        """,
    ).text
    assert "https://hooks.example.org/***" in text
    assert not [secret for secret in ("XXXX", "YYYY", "ZZZZ", "PPPP", "B00") if secret in text]


def test_all_mistakes_of_all_tables_are_reported_at_once(tmp_path: Path, registry: Registry) -> None:
    found = mistakes(
        tmp_path,
        registry,
        """
        [[alarm]]
        name = "one"
        channel = ["ovne.level", "level", "oven.level[1]"]
        high = 1
        low = 2
        hysteresis = inf
        stale = "soon"
        for = "-1s"
        actions = ["hok"]
        [[alarm]]
        name = "one"
        channel = "oven.level"
        [[alarm]]
        name = "two"
        channel = "oven.level"
        hihg = 3
        [[alarm]]
        channel = "oven.level"
        [[alarm]]
        name = "two"
        channel = "oven.level"
        high = nan
        [[alarm]]
        name = "three"
        channel = "oven.level"
        high = 3
        low = 1
        hysteresis = 2
        [[alarm]]
        name = "four"
        channel = "oven.level"
        status = "ok"
        [[alarm]]
        name = "five"
        channel = "oven.level"
        rate = 1
        hysteresis = 1
        [[alarm]]
        name = "six"
        channel = []
        stale = 1
        [actions.hook]
        type = "webhook"
        url = "file:///etc/passwd"
        [actions.a]
        url = "x"
        [actions.b]
        type = "shell"
        [actions.c]
        type = "program"
        arguments = "rm -rf"
        [actions.d]
        type = "program"
        arguments = []
        [actions.e]
        type = "email"
        host = "h"
        from = "a@b"
        to = "c"
        [actions.f]
        type = "email"
        host = "h"
        from = "a@b"
        to = "c@d"
        security = "none"
        password = "p"
        [actions.g]
        type = "webhook"
        url = "https://h"
        headers = { X = "a\\nInjected: b" }
        """,
    )
    texts = [f"{error.message} — {error.hint}" for error in found]
    for part in (
        "alarm 1.channel: unknown device 'ovne' — Did you mean 'oven'?",
        "alarm 1.channel: invalid channel 'level'",
        "alarm 1.channel: instance 1 is written without its number: 'oven.level[1]' — Write \"oven.level\"",
        "alarm 1: low 2 is not below high 1",
        "alarm 1.hysteresis: inf is not a finite number",
        "alarm 1.stale: invalid duration 'soon'",
        "alarm 1.for: invalid duration '-1s'",
        "alarm 1.actions: unknown action 'hok' — Did you mean 'hook'?",
        "alarm 2: no condition — Add high, low, rate, status, text or stale",
        "alarm 3.hihg: unknown key — Did you mean 'high'?",
        "alarm 4.name: missing",
        "alarm 5.high: nan is not a finite number",
        "alarm 6.hysteresis: the alarm could never be cleared",
        "alarm 7.status: invalid value 'ok'",
        "alarm 8.hysteresis: needs a limit",
        "alarm 9.channel: missing",
        "actions.hook.url: not an http or https address",
        "actions.a.type: missing",
        "actions.b.type: unknown type 'shell'",
        "actions.c.arguments: invalid value 'rm -rf'; expected a list",
        "actions.d.arguments: invalid value []",
        "actions.e: not an e-mail address",
        "actions.f.security: the password would be sent without encryption",
        "actions.g.headers: a line end in a header",
    ):
        assert any(part in text for text in texts), (part, texts)


def test_two_alarms_of_one_name_and_tables_of_another_kind(tmp_path: Path, registry: Registry) -> None:
    alarm = '[[alarm]]\nname = "a"\nchannel = "oven.level"\nhigh = 1\n'
    assert [error.message for error in mistakes(tmp_path, registry, alarm * 2)] == ["duplicate alarm name 'a'"]
    assert [error.message for error in mistakes(tmp_path, registry, "[alarm]\n")] == [
        "alarm: must be a table [[alarm]]"
    ]
    (error,) = mistakes(tmp_path, registry, '[actions]\nhook = "x"\n')
    assert error.message == "actions.hook: must be a table [actions.hook]"


def test_an_alarm_on_a_parameter_that_is_not_polled_is_refused(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(registry.drivers["toy"]), "selects_parameters", False)
    path = tmp_path / "rig.toml"
    polled = RIG.replace('port = "sim:bus"\n', 'port = "sim:bus"\nparameters = ["level[2]"]\n')
    path.write_text(f'{polled}[[alarm]]\nname = "a"\nchannel = ["oven.level[2]", "fast.flow"]\nhigh = 1\n')
    assert load_rig(path, registry=registry).alarms[0].channels == ("oven.level[2]", "fast.flow")
    path.write_text(f'{polled}[[alarm]]\nname = "a"\nchannel = ["oven.levl"]\nhigh = 1\n')
    with pytest.raises(ExceptionGroup) as caught:
        load_rig(path, registry=registry)
    (error,) = caught.value.exceptions
    assert "oven: alarm 1.channel: parameter 'levl' is not polled" in str(error)
    assert isinstance(error, ConfigError)
    assert error.hint == "Did you mean 'level'? It polls: level. Others can be added to its parameters"
