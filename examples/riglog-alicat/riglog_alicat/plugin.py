"""What riglog loads. The driver is imported when it is needed: every command of riglog loads this file."""

from typing import TYPE_CHECKING

from riglog.plugin import hookimpl

if TYPE_CHECKING:
    from riglog_alicat.driver import AlicatDriver

RIGLOG_API = 2


@hookimpl
def riglog_drivers() -> "list[AlicatDriver]":
    from riglog_alicat.driver import AlicatDriver

    return [AlicatDriver()]
