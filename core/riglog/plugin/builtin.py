"""What riglog itself brings, registered through the same hook as any plugin's."""

from collections.abc import Iterable

from riglog.plugin.hooks import hookimpl
from riglog.sinks.base import SinkType
from riglog.sinks.sqlite import SQLITE


@hookimpl
def riglog_sinks() -> Iterable[SinkType]:
    return [SQLITE]
