"""What a plugin registers to bring a kind of store."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from riglog.model import Sink


class SinkConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What every ``[[sink]]`` of a rig file says; a sink's own struct adds to it."""

    type: str


class SinkType(Struct, frozen=True):
    """What a plugin registers: a kind of ``[[sink]]``.

    ``config`` extends SinkConfig; ``create`` makes the sink from it and touches nothing yet.
    """

    name: str
    summary: str
    config: type[SinkConfig]
    create: Callable[[Any], Sink]
