"""Packages that only some sinks need: imported when used; if one is missing, the hint is the command to install it."""

from importlib import import_module
from typing import Any

from riglog.errors import ConfigError


def import_optional(module: str, extra: str) -> Any:
    """Import a module of a package that the extra ``riglog[extra]`` installs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ConfigError(
            f"required package {name} cannot be imported: {error}", hint=f'Install it: pip install "riglog[{extra}]"'
        ) from error
