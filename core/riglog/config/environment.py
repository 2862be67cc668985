"""Expands ``${NAME}`` and ``${NAME:-default}`` in the strings of a rig file. Nothing else is expanded or executed."""

import os
import re
from collections.abc import Mapping
from typing import Any

from riglog.config.places import errors_at
from riglog.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expand(value: Any, where: str, environment: Mapping[str, str] = os.environ) -> Any:
    """Return a table with the environment variables in all of its strings expanded.

    Raises:
        ConfigError: a variable without a default is not set.
    """
    if isinstance(value, dict):
        return {key: expand(inner, f"{where}.{key}" if where else key, environment) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expand_entry(inner, where, number, environment) for number, inner in enumerate(value)]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _value(found, where, environment), value)
    return value


def _expand_entry(value: Any, where: str, number: int, environment: Mapping[str, str]) -> Any:
    if not isinstance(value, dict):
        return expand(value, f"{where}[{number}]", environment)
    with errors_at(where, number, value) as place:
        return expand(value, place, environment)


def _value(found: re.Match[str], where: str, environment: Mapping[str, str]) -> str:
    name, default = found.groups()
    if name in environment:
        return environment[name]
    if default is None:
        hint = f"Set it (export {name}=…), or give a default: ${{{name}:-default}}"
        raise ConfigError(f"{where}: environment variable {name} is not set", hint=hint)
    return str(default)
