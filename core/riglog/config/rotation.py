"""The key ``rotate`` of a ``[[sink]]``: when a file is complete, and a further one is begun."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from riglog.config.duration import seconds
from riglog.errors import ConfigError
from riglog.model import NS, Sink
from riglog.sinks.base import RotatingConfig, SinkType
from riglog.sinks.files import FileSink
from riglog.sinks.rotation import Limit, RotatingSink

ROTATABLE = ("sqlite", "csv", "jsonl")
"""The types of sinks that have the key."""
UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
SMALLEST_BYTES = 100_000
SHORTEST_SECONDS = 60.0
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kMGT]B)", re.IGNORECASE)


def rotated(kind: SinkType, config: Any, where: str) -> Sink:
    """Return the sink of a configuration, which begins a further file where it has a ``rotate``.

    Raises:
        ConfigError: a limit that is none, or a sink that overwrites.
    """
    if not isinstance(config, RotatingConfig) or config.rotate is None:
        return kind.create(config)
    if config.overwrite:
        raise ConfigError(
            f"{where}.rotate: cannot be combined with overwrite", hint="Remove one of them: rotation overwrites nothing"
        )
    return RotatingSink(_maker(kind, replace(config, rotate=None)), Path(config.path), limit(config.rotate, where))


def _maker(kind: SinkType, config: RotatingConfig) -> Callable[[Path], FileSink]:
    def make(path: Path) -> FileSink:
        sink = kind.create(replace(config, path=str(path)))
        assert isinstance(sink, FileSink)
        return sink

    return make


def limit(text: str, where: str) -> Limit:
    """Return the limit of ``"100MB"`` or ``"1d"``.

    Raises:
        ConfigError: it is neither a size nor a duration, or too small.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is not None:
        size = float(found[1]) * UNITS[found[2].lower()]
        if size < SMALLEST_BYTES:
            raise ConfigError(f"{where}.rotate: {text!r} is less than 100kB", hint='Use a size such as "100MB"')
        return Limit(bytes=round(size))
    try:
        period = seconds(text, f"{where}.rotate")
    except ConfigError as error:
        hint = 'Use a size such as "100MB", or a time such as "1d"'
        raise ConfigError(f"{where}.rotate: invalid size or time {text!r}", hint=hint) from error
    if period < SHORTEST_SECONDS:
        raise ConfigError(f"{where}.rotate: {text!r} is less than 60 s", hint='Use a time such as "1d" or "1h"')
    return Limit(period_ns=round(period * NS))
