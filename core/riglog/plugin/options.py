"""From plain tables to a driver's config struct, with errors that name the key, the place and the likely word."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.plugin import wording
from riglog.plugin.config import DeviceConfig, DirectConfig
from riglog.plugin.driver import AnyDriver
from riglog.plugin.guard import bugs_as
from riglog.plugin.names import mistakes_in, raise_mistakes
from riglog.plugin.wording import ANY

MOST_SHOWN = 120
"""Characters of a value in a message."""

COMMON = frozenset(DeviceConfig.__struct_fields__)
INDEPENDENT = COMMON - {"name", "driver", "port", "protocol"}
"""Keys of the core: a driver can check the others without them."""

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


def convert_all(table: Mapping[str, Any], to: type[T], where: str) -> T:
    """Return a table as a struct, as ``convert``.

    Raises:
        ConfigError: the only mistake.
        ExceptionGroup: one ConfigError for each mistake.
    """
    made, mistakes, _ = _converted(table, to, where, strict=True)
    raise_mistakes(mistakes)
    assert made is not None
    return made


def configure(driver: AnyDriver[Any], table: Mapping[str, Any], where: str, *, strict: bool = True) -> DirectConfig:
    """Return the table of a device as the config of its driver, checked by the driver.

    The driver checks also a table with misspelt keys, as they were probably meant: so all mistakes are found at once.

    Raises:
        ConfigError: what the struct or the driver refuses, or a bug in the driver.
        ExceptionGroup: one ConfigError for each mistake, if there are several.
    """
    kind: type[DirectConfig] = driver.config
    config, mistakes, understood = _converted(table, kind, where, strict=strict)
    if config is not None and understood:
        mistakes += _mistakes_of(driver, config, where)
    raise_mistakes(mistakes)
    assert config is not None
    return config


def _mistakes_of(driver: AnyDriver[Any], config: DirectConfig, where: str) -> list[ConfigError]:
    """Return what a driver refuses."""
    if isinstance(config, DeviceConfig) and config.protocol not in (None, *driver.protocols):
        suggestion = did_you_mean(config.protocol or "", driver.protocols)
        hint = f"{suggestion}Protocols of {driver.name}: {', '.join(driver.protocols)}"
        return [ConfigError(f"{where}.protocol: unknown protocol {config.protocol!r}", hint=hint, device=config.name)]
    try:
        with error_context(device=config.name), bugs_as(ConfigError, driver, "check()"):
            driver.check(config)
    except ConfigError as error:
        return [error]
    except ExceptionGroup as group:
        return mistakes_in(group)
    return []


def _converted(
    table: Mapping[str, Any], to: type[T], where: str, *, strict: bool
) -> tuple[T | None, list[ConfigError], bool]:
    """Return a table as a struct, its mistakes, and whether the struct is what was probably meant.

    A misspelt key is repaired and a wrong one is removed, to find what is wrong besides. There is no struct if a key is
    missing. It is what was meant if every mistake was repaired, or is in a key that says nothing about the others.
    """
    rest, mistakes, understood = dict(table), dict[str, ConfigError](), True
    while True:
        try:
            return msgspec.convert(rest, to, strict=strict), list(mistakes.values()), understood
        except msgspec.ValidationError as error:
            found = mistake_of(error, rest, to, where)
            key = str(found.path[0]) if found.path else ""
            if key not in rest:  # missing from the start, or removed as wrong
                absent = [_missing(to, (name,), where) for name in _required(to) if name not in (*table, *mistakes)]
                return None, [*mistakes.values(), *(absent if found.is_missing else [found.error])], False
            mistakes.setdefault(key, found.error)
            value = rest.pop(key)
            if found.meant is not None and found.meant not in rest:
                rest[found.meant] = value
            elif key not in INDEPENDENT:
                understood = False


def _required(to: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(to) if field.required]


class Mistake(NamedTuple):
    """What is wrong in a table, and the way to it: names of keys and positions in lists.

    ``meant``: for an unknown key of the table itself, the key that was probably meant.
    """

    error: ConfigError
    path: tuple[str | int, ...]
    is_missing: bool = False
    meant: str | None = None


def mistake_of(
    error: msgspec.ValidationError, table: Mapping[str, Any], to: type[msgspec.Struct], where: str
) -> Mistake:
    """Return what msgspec reports, as a sentence that starts with the place."""
    text = str(error)
    place = _PATH.search(text)
    path = _with_keys(_steps(place[1] if place else ""), table, to, text)
    shown = _place(where, path)
    message = _PATH.sub("", text)
    if unknown := _UNKNOWN.search(message):
        known = wording.keys(to, path)
        if issubclass(to, DirectConfig):
            known.sort(key=COMMON.__contains__)  # those of the driver first
        from difflib import get_close_matches  # not at the top: only mistakes need it

        close = get_close_matches(unknown[1].lower(), known, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Available keys: {wording.listed(known)}"
        wrong = ConfigError(f"{shown}.{unknown[1]}: unknown key", hint=hint)
        return Mistake(wrong, (*path, unknown[1]), meant=next(iter(close), None) if not path else None)
    if lacking := _MISSING.search(message):
        lacking_path = (*path, lacking[1])
        return Mistake(_missing(to, lacking_path, where), lacking_path, is_missing=True)
    expected = wording.expected(to, path)
    if expected and path and ANY not in path:
        value = _value(table, path)
        likely = wording.likely(to, path, value)
        suggestion = f"Did you mean {likely!r}?" if likely else None
        shown_value = _shown(value)
        wrong = ConfigError(f"{shown}: invalid value {shown_value}; expected {expected}", hint=suggestion)
        return Mistake(wrong, tuple(path))
    return Mistake(ConfigError(f"{shown}: {message[0].lower()}{message[1:]}"), tuple(path))


def _missing(to: type[msgspec.Struct], path: Sequence[str | int], where: str) -> ConfigError:
    what = wording.expected(to, path) or "a value"
    return ConfigError(f"{_place(where, path[:-1])}.{path[-1]}: missing", hint=f"Add {path[-1]} = …, {what}")


def _place(where: str, path: Sequence[str | int]) -> str:
    """Return the place of a value: ``device.registers[4].type``."""
    return where + "".join(f"[{step}]" if isinstance(step, int) or step == ANY else f".{step}" for step in path)


def _steps(path: str) -> list[str | int]:
    """Return ``.registers[4].type`` as its keys and positions."""
    return [int(position) if position.isdigit() else key or position for key, position in _STEP.findall(path)]


def _with_keys(
    path: Sequence[str | int], table: Mapping[str, Any], to: type[msgspec.Struct], text: str
) -> list[str | int]:
    """Return the path with the first wrong key in the place of ``...``, which msgspec has for any key of a table."""
    if ANY not in path:
        return list(path)
    before = path[: path.index(ANY)]
    for key, value in _value(table, before).items():
        try:
            msgspec.convert(_only(table, before, {key: value}), to)
        except msgspec.ValidationError as error:
            if str(error) == text:
                return [*before, str(key), *path[len(before) + 1 :]]
    return list(path)


def _only(table: Any, path: Sequence[str | int], value: object) -> object:
    """Return a copy of a table with another value at the end of a path."""
    if not path:
        return value
    copied: Any = list(table) if isinstance(table, list) else dict(table)
    copied[path[0]] = _only(table[path[0]], path[1:], value)
    return copied


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
