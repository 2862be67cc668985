"""Libraries that not everybody needs: imported when used, and named with their extra when they are not there."""

from importlib import import_module
from typing import Any

from riglog.errors import ConfigError


def library(module: str, extra: str) -> Any:
    """The imported module.

    Raises:
        ConfigError: it is not installed; the hint is the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ConfigError(
            f"this needs {name}, which cannot be imported: {error}", hint=f'pip install "riglog[{extra}]"'
        ) from error
