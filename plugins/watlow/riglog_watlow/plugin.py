"""What riglog loads: hooks only, nothing happens at import."""

from collections.abc import Iterable
from typing import Any

from riglog.plugin import Driver, hookimpl

RIGLOG_API = 1


@hookimpl
def riglog_drivers() -> Iterable[Driver[Any]]:
    from riglog_watlow.driver import WatlowDriver

    return [WatlowDriver()]
