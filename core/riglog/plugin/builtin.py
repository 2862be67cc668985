"""The sink types of riglog itself, registered through the same hook as those of plugins."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from riglog.plugin.hooks import hookimpl

if TYPE_CHECKING:
    from riglog.sinks.base import SinkType


@hookimpl
def riglog_sinks() -> "Iterable[SinkType]":
    from riglog.sinks.csv import CSV
    from riglog.sinks.jsonl import JSONL
    from riglog.sinks.memory import MEMORY
    from riglog.sinks.parquet import PARQUET
    from riglog.sinks.postgres import POSTGRES
    from riglog.sinks.sqlite import SQLITE

    return [SQLITE, CSV, JSONL, PARQUET, POSTGRES, MEMORY]
