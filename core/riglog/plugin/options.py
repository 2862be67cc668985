"""From plain tables to a driver's config struct, with errors that name the key, the place and the likely word."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

import msgspec

from riglog.errors import ConfigError, error_context
from riglog.plugin import wording
from riglog.plugin.config import DeviceConfig, DirectConfig
from riglog.plugin.driver import AnyDriver
from riglog.plugin.guard import bugs_as
from riglog.plugin.wording import ANY

MOST_SHOWN = 120
"""Characters of a value in a message."""

T = TypeVar("T", bound=msgspec.Struct)
_PATH = re.compile(r" - at `(?:key in )?\$?(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"unknown field `(.+?)`")
_MISSING = re.compile(r"missing required field `(.+?)`")


def convert(table: Mapping[str, Any], to: type[T], where: str, *, strict: bool = True) -> T:
    """Return a table as a struct.

    Args:
        where: what the table is called in errors: ``device[2]``.
        strict: False accepts strings for numbers and booleans, as on a command line.

    Raises:
        ConfigError: an unknown key (the hint has the likely one), a missing key, a wrong type or range.
    """
    try:
        return msgspec.convert(table, to, strict=strict)
    except msgspec.ValidationError as error:
        raise mistake_of(error, table, to, where).error from None


def configure(driver: AnyDriver[Any], table: Mapping[str, Any], where: str, *, strict: bool = True) -> DirectConfig:
    """Return the table of a device as the config of its driver, checked by the driver.

    Raises:
        ConfigError: what the struct or the driver refuses, or a bug in the driver.
    """
    config: DirectConfig = convert(table, driver.config, where, strict=strict)
    if isinstance(config, DeviceConfig) and config.protocol not in (None, *driver.protocols):
        hint = f"Protocols of {driver.name}: {', '.join(driver.protocols)}"
        raise ConfigError(f"{where}.protocol: unknown protocol {config.protocol!r}", hint=hint, device=config.name)
    with error_context(device=config.name), bugs_as(ConfigError, driver, "check()"):
        driver.check(config)
    return config


class Mistake(NamedTuple):
    """What is wrong in a table, and the way to it: names of keys and positions in lists."""

    error: ConfigError
    path: tuple[str | int, ...]
    is_missing: bool = False


def mistake_of(
    error: msgspec.ValidationError, table: Mapping[str, Any], to: type[msgspec.Struct], where: str
) -> Mistake:
    """Return what msgspec reports, as a sentence that starts with the place."""
    text = str(error)
    place = _PATH.search(text)
    path = _steps(place[1] if place else "")
    shown = where + "".join(f"[{step}]" if isinstance(step, int) or step == ANY else f".{step}" for step in path)
    message = _PATH.sub("", text)
    if unknown := _UNKNOWN.search(message):
        known = wording.keys(to, path)
        close = get_close_matches(unknown[1], known, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Available keys: {', '.join(known)}"
        return Mistake(ConfigError(f"{shown}.{unknown[1]}: unknown key", hint=hint), (*path, unknown[1]))
    if lacking := _MISSING.search(message):
        what = wording.expected(to, [*path, lacking[1]]) or "a value"
        absent = ConfigError(f"{shown}.{lacking[1]}: missing", hint=f"Add {lacking[1]} = …, {what}")
        return Mistake(absent, (*path, lacking[1]), is_missing=True)
    expected = wording.expected(to, path)
    if expected and path and ANY not in path:
        value = _value(table, path)
        likely = wording.likely(to, path, value)
        suggestion = f"Did you mean {likely!r}?" if likely else None
        shown_value = _shown(value)
        wrong = ConfigError(f"{shown}: invalid value {shown_value}; expected {expected}", hint=suggestion)
        return Mistake(wrong, tuple(path))
    return Mistake(ConfigError(f"{shown}: {message[0].lower()}{message[1:]}"), tuple(path))


def _steps(path: str) -> list[str | int]:
    """Return ``.registers[4].type`` as its keys and positions."""
    return [int(position) if position.isdigit() else key or position for key, position in _STEP.findall(path)]


def _value(table: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        table = table[step]
    return table


def _shown(value: object) -> str:
    """Return a value for a message; a long one is cut, as files can be hostile."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        return "a very long number"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
