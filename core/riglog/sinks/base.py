"""What a plugin registers to bring a kind of store."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from riglog.model import Sink


class SinkConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What every ``[[sink]]`` of a rig file says; a sink's own struct adds to it."""

    type: str


class FileConfig(SinkConfig, kw_only=True, frozen=True):
    """``path`` of the file. What is there is continued, unless ``overwrite`` says to begin anew.

    Something else than a recording of the same kind is refused in both cases.
    """

    path: str
    overwrite: bool = False


class SinkType(Struct, frozen=True):
    """What a plugin registers: a kind of ``[[sink]]``.

    ``config`` extends SinkConfig; ``create`` makes the sink from it and touches nothing yet.
    """

    name: str
    summary: str
    config: type[SinkConfig]
    create: Callable[[Any], Sink]
