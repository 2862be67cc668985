"""The tables ``[[alarm]]`` and ``[actions.NAME]`` of a rig file."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from riglog.alarms import Action, Alarm, EmailAction, ProgramAction, WebhookAction
from riglog.config.channels import recorded_channel
from riglog.config.duration import seconds
from riglog.errors import ConfigError, did_you_mean
from riglog.manager import DeviceSpec
from riglog.model import Status
from riglog.model.channel import CHANNEL_NAME
from riglog.plugin.options import convert_all

STALE_SECONDS = 60.0
STALE_PERIODS = 5
ACTION_SECONDS = 10.0
PORTS = {"starttls": 587, "tls": 465, "none": 25}
TYPE_HINT = 'Add type = "webhook", "email" or "program"'

Name = Annotated[str, Meta(pattern=r"^[^\s].{0,99}\Z", description="a text of at most 100 characters")]
Texts = str | tuple[str, ...]
Word = Literal["suspect", "out_of_range", "fault", "missing", "skipped"]
Duration = Annotated[str | float, Meta(description="a time such as 90, 10s or 5m")]
Timeout = Annotated[float, Meta(gt=0, le=300)]


class AlarmConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An ``[[alarm]]`` table."""

    name: Name
    channel: Texts
    high: float | None = None
    low: float | None = None
    hysteresis: Annotated[float, Meta(ge=0)] = 0.0
    rate: Annotated[float, Meta(gt=0)] | None = None
    unit: str | None = None
    status: Word | tuple[Word, ...] = ()
    text: Texts = ()
    stale: Duration | None = None
    hold: Duration | None = field(default=None, name="for")
    actions: tuple[str, ...] = ()


class ActionConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What every ``[actions.NAME]`` table may have; ``timeout`` in seconds."""

    type: str
    timeout: Timeout = ACTION_SECONDS


class WebhookConfig(ActionConfig, kw_only=True, frozen=True):
    """Sends each change to ``url`` as JSON."""

    url: str
    headers: dict[str, str] = {}

    def action(self, name: str) -> Action:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"actions.{name}.url: not an http or https address", hint="Write https://HOST/PATH")
        if any(character in text for pair in self.headers.items() for text in pair for character in "\r\n"):
            raise ConfigError(f"actions.{name}.headers: a line end in a header", hint="Write each header in one line")
        return WebhookAction(name=name, timeout=self.timeout, url=self.url, headers=self.headers)


class EmailConfig(ActionConfig, kw_only=True, frozen=True):
    """Sends each change as an e-mail."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = field(name="from")
    to: Texts
    user: str | None = None
    password: str | None = None

    def action(self, name: str) -> Action:
        to = _several(self.to)
        if not to or not all(_is_address(each) for each in (self.sender, *to)):
            raise ConfigError(f"actions.{name}: not an e-mail address", hint='Write from = "rig@example.org", to = […]')
        if self.security == "none" and self.password is not None:
            raise ConfigError(
                f"actions.{name}.security: the password would be sent without encryption",
                hint='Use "starttls" or "tls", or remove user and password',
            )
        return EmailAction(
            name=name,
            timeout=self.timeout,
            host=self.host,
            port=self.port or PORTS[self.security],
            security=self.security,
            sender=self.sender,
            to=to,
            user=self.user,
            password=self.password,
        )


class ProgramConfig(ActionConfig, kw_only=True, frozen=True):
    """Starts a program with each change as JSON on its standard input."""

    arguments: Annotated[tuple[str, ...], Meta(min_length=1, description="a list: the program and its arguments")]

    def action(self, name: str) -> Action:
        if not self.arguments[0] or any("\0" in argument for argument in self.arguments):
            raise ConfigError(f"actions.{name}.arguments: no program", hint='Write ["/path/to/program", "argument"]')
        return ProgramAction(name=name, timeout=self.timeout, arguments=self.arguments)


ACTIONS: dict[str, type[WebhookConfig | EmailConfig | ProgramConfig]] = {
    "webhook": WebhookConfig,
    "email": EmailConfig,
    "program": ProgramConfig,
}


def read_action(name: str, table: Mapping[str, Any]) -> Action:
    """Return an action.

    Raises:
        ConfigError: an unknown or missing key, an invalid value.
    """
    where = f"actions.{name}"
    if "type" not in table:
        raise ConfigError(f"{where}.type: missing", hint=TYPE_HINT)
    if table["type"] not in ACTIONS:
        raise ConfigError(f"{where}.type: unknown type {table['type']!r}", hint=TYPE_HINT)
    return convert_all(table, ACTIONS[str(table["type"])], where).action(name)


def read_alarm(
    table: Mapping[str, Any],
    where: str,
    *,
    periods: Mapping[str, float],
    actions: Collection[str],
    run_period: float,
    specs: Sequence[DeviceSpec] = (),
) -> Alarm:
    """Return an alarm.

    Args:
        periods: the time between two polls of each device, in seconds.
        actions: the names of all actions.
        specs: the devices that are configured correctly.

    Raises:
        ExceptionGroup: all mistakes of the table, each a ConfigError.
        ConfigError: it cannot be read at all.
    """
    config = convert_all(table, AlarmConfig, where)
    channels, problems = _several(config.channel), list[ConfigError]()
    problems += _channel_problems(channels, where, periods)
    channels = _recorded_channels(channels, where, specs, problems)
    problems += _limit_problems(config, where)
    problems += _unknown(f"{where}.actions", "action", config.actions, actions, "Add the table [actions.{name}]")
    stale = _duration(config.stale, f"{where}.stale", problems)
    hold = _duration(config.hold, f"{where}.for", problems)
    conditions = (config.high, config.low, config.rate, config.stale, config.status or None, config.text or None)
    if all(condition is None for condition in conditions):
        hint = "Add high, low, rate, status, text or stale"
        problems.append(ConfigError(f"{where}: no condition", hint=hint))
    if problems:
        raise ExceptionGroup(where, problems)
    longest = max(periods.get(channel.partition(".")[0], run_period) for channel in channels)
    return Alarm(
        name=config.name,
        channels=tuple(dict.fromkeys(channels)),
        high=config.high,
        low=config.low,
        hysteresis=config.hysteresis,
        rate=config.rate,
        unit=config.unit,
        status=tuple(Status(word) for word in _several(config.status)),
        text=_several(config.text),
        stale_s=stale or max(STALE_SECONDS, STALE_PERIODS * longest),
        hold_s=hold or 0.0,
        actions=config.actions,
    )


def duplicate_names(alarms: Sequence[Alarm]) -> Iterator[ConfigError]:
    """Yield one error for each name that several alarms have."""
    found = [alarm.name for alarm in alarms]
    for name in dict.fromkeys(found):
        if found.count(name) > 1:
            yield ConfigError(f"duplicate alarm name {name!r}", hint="Give every alarm a unique name")


def _channel_problems(channels: Sequence[str], where: str, periods: Mapping[str, float]) -> Iterator[ConfigError]:
    if not channels:
        yield ConfigError(f"{where}.channel: missing", hint='Add channel = "device.parameter"')
    for channel in channels:
        found = CHANNEL_NAME.fullmatch(channel)
        if found is None:
            hint = 'Write it as "device.parameter", or "device.parameter[2]" for another instance than 1'
            yield ConfigError(f"{where}.channel: invalid channel {channel!r}", hint=hint)
        elif found["instance"] in ("0", "1"):
            hint = f'Write "{channel.partition("[")[0]}"'
            yield ConfigError(f"{where}.channel: instance 1 is written without its number: {channel!r}", hint=hint)
        elif found["device"] not in periods:
            yield from _unknown(
                f"{where}.channel", "device", [found["device"]], periods, "Add a [[device]] of this name"
            )


def _recorded_channels(
    channels: Sequence[str], where: str, specs: Sequence[DeviceSpec], problems: list[ConfigError]
) -> tuple[str, ...]:
    """Return the channels under the names with which they are recorded: an alarm on another name never occurs."""
    devices = {spec.name: spec for spec in specs}
    recorded = []
    for channel in channels:
        spec = devices.get(channel.partition(".")[0])
        try:
            recorded.append(channel if spec is None else recorded_channel(channel, spec, f"{where}.channel"))
        except ConfigError as error:
            problems.append(error)
    return tuple(recorded)


def _limit_problems(config: AlarmConfig, where: str) -> Iterator[ConfigError]:
    for key in ("high", "low", "hysteresis", "rate"):
        value = getattr(config, key)
        if value is not None and not math.isfinite(value):
            yield ConfigError(f"{where}.{key}: {value} is not a finite number")
    if config.high is not None and config.low is not None and config.low >= config.high:
        hint = "Exchange them, or use two alarms"
        yield ConfigError(f"{where}: low {config.low:g} is not below high {config.high:g}", hint=hint)
    if config.hysteresis and config.high is None and config.low is None:
        yield ConfigError(f"{where}.hysteresis: needs a limit", hint="Add high or low, or remove hysteresis")
    width = math.inf if config.high is None or config.low is None else config.high - config.low
    if config.hysteresis >= width > 0:
        hint = "Make hysteresis smaller than the distance of the limits"
        yield ConfigError(f"{where}.hysteresis: the alarm could never be cleared", hint=hint)


def _unknown(
    where: str, what: str, given: Sequence[str], known: Collection[str], otherwise: str
) -> Iterator[ConfigError]:
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known).strip() or otherwise.format(name=name)
            yield ConfigError(f"{where}: unknown {what} {name!r}", hint=hint)


def _duration(value: str | float | None, where: str, problems: list[ConfigError]) -> float | None:
    if value is None:
        return None
    try:
        return seconds(value, where)
    except ConfigError as error:
        problems.append(error)
        return None


def _several(value: str | tuple[Any, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _is_address(text: str) -> bool:
    return re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", text) is not None
