"""What riglog loads: hooks only. Nothing happens at import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from riglog.plugin import hookimpl

if TYPE_CHECKING:
    from riglog.sinks import SinkType

RIGLOG_API = 2


@hookimpl
def riglog_sinks() -> "Iterable[SinkType]":
    from riglog_mqtt.sink import MQTT

    return [MQTT]
