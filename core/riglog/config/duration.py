"""Durations as written in rig files and on the command line: ``72h``, ``1h30m``, ``10s``, or a number of seconds."""

import re

from riglog.errors import ConfigError

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds(text: str | float, where: str = "duration") -> float:
    """Return a duration in seconds.

    Args:
        where: key or option that holds the duration, for messages.

    Raises:
        ConfigError: not a duration, or not greater than 0.
    """
    hint = "Use seconds or d/h/m/s, for example 90, 10m, 1h30m or 7d"
    if isinstance(text, str):
        parts = _PART.findall(text.strip())
        if parts and "".join(number + unit for number, unit in parts) == text.strip():
            value = sum(float(number) * SECONDS[unit] for number, unit in parts)
        else:
            try:
                value = float(text)
            except ValueError:
                raise ConfigError(f"{where}: invalid duration {text!r}", hint=hint) from None
    else:
        value = float(text)
    if not 0 < value < float("inf"):
        raise ConfigError(f"{where}: invalid duration {text!r}; expected a finite time greater than 0", hint=hint)
    return value
