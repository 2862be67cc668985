"""Whether what a plugin registers can be used: the first reason why not, in words for its author. Pure."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from riglog.errors import describe
from riglog.plugin.config import NAME, NAME_PATTERN, DeviceConfig, DirectConfig

_NAME = re.compile(NAME_PATTERN)
_OPTIONAL = ("check", "demo")
_OF_DRIVER = (
    *("link", "connect", "client_factory", "device", "simulator", "transactions"),
    *("links_to_probe", "probe", "address"),
)


def check_driver(given: object) -> str | None:
    """Return why this cannot be a driver; None if it can."""
    from riglog.plugin.driver import AnyDriver, DirectDriver, Driver

    if not isinstance(given, Driver | DirectDriver):
        return _wrong_type(given, "Driver or DirectDriver", AnyDriver)
    on_port = isinstance(given, Driver)
    return (
        _name(given)
        or _summary(given)
        or _protocols(given.protocols, needed=on_port)
        or _config(getattr(given, "config", None), on_port=on_port)
        or _methods(given, (*_OPTIONAL, *(_OF_DRIVER if on_port else ("open",))))
        or (None if isinstance(given.selects_parameters, bool) else "selects_parameters must be True or False")
    )


def check_sink(given: object) -> str | None:
    """Return why this cannot be a sink type; None if it can."""
    from riglog.sinks.base import SinkConfig, SinkType

    if not isinstance(given, SinkType):
        return _wrong_type(given, "SinkType", SinkType)
    if problem := _name(given) or _summary(given):
        return problem
    if not _is_subclass(given.config, SinkConfig):
        return "config must be a subclass of SinkConfig"
    return _unusable(given.config) or (None if callable(given.create) else "create must be a function")


def check_command(given: object) -> str | None:
    """Return why this cannot be a command; None if it can."""
    import click

    if not isinstance(given, click.Command):
        return _wrong_type(given, "click.Command", click.Command)
    given.get_short_help_str()  # what `riglog --help` calls
    return None


def label(given: object) -> str:
    """Return what to call it in a message: its name if it has one, else its type."""
    name = getattr(given, "name", None)
    return name if isinstance(name, str) else given.__name__ if isinstance(given, type) else type(given).__name__


def _wrong_type(given: object, expected: str, base: type) -> str:
    if isinstance(given, type) and issubclass(given, base):
        return f"it is a class; register an instance: {given.__name__}()"
    return f"it is not a {expected}"


def _name(given: Any) -> str | None:
    name = getattr(given, "name", None)
    if name is None:
        return f"name is missing; expected {NAME}"
    return None if isinstance(name, str) and _NAME.fullmatch(name) else f"invalid name {name!r}; expected {NAME}"


def _summary(given: Any) -> str | None:
    summary = getattr(given, "summary", None)
    if summary is None:
        return "summary is missing; expected one line of text"
    if isinstance(summary, str) and summary.strip() and "\n" not in summary.strip():
        return None
    return f"invalid summary {summary!r}; expected one line of text"


def _protocols(protocols: object, *, needed: bool) -> str | None:
    if not isinstance(protocols, tuple) or not all(isinstance(name, str) and name for name in protocols):
        return f'invalid protocols {protocols!r}; expected a tuple of names, such as ("ascii",)'
    if needed and not protocols:
        return 'protocols is missing; expected a tuple of names, such as ("ascii",)'
    return None


def _config(config: object, *, on_port: bool) -> str | None:
    if on_port:
        if not _is_subclass(config, DeviceConfig):
            return "config must be a subclass of DeviceConfig"
    elif not _is_subclass(config, DirectConfig) or _is_subclass(config, DeviceConfig):
        return "config of a DirectDriver must be a subclass of DirectConfig, and not of DeviceConfig"
    return _unusable(config)


def _unusable(config: Any) -> str | None:
    """Return why tables cannot be converted to a struct: a type that msgspec does not know, or a name not defined."""
    try:
        msgspec.convert({}, config)
    except msgspec.ValidationError:  # keys without a default are missing
        return None
    except Exception as error:
        return f"config {config.__name__} cannot be used: {describe(error)}"
    return None


def _methods(given: object, names: Sequence[str]) -> str | None:
    missing = [name for name in names if not callable(getattr(given, name, None))]
    abstract = sorted(name for name in names if getattr(getattr(given, name, None), "__isabstractmethod__", False))
    return f"not implemented: {', '.join(missing or abstract)}" if missing or abstract else None


def _is_subclass(given: object, base: type) -> bool:
    return isinstance(given, type) and issubclass(given, base)
