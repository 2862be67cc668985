"""A console of rich that prints texts from outside as they are."""

import os
from typing import Any, TextIO, cast

from rich.console import Console
from rich.status import Status

from riglog.cli.screen import STDERR, STDOUT, Screen, printable

UNLIMITED_WIDTH = 1000
"""Columns of a file or a pipe, so that no row is folded there."""


class SafeConsole(Console):
    """No control characters, and ``sim:a: 1`` has no emoji."""

    def __init__(self, screen: Screen) -> None:
        limited = screen.isatty() or "COLUMNS" in os.environ
        width = None if limited else UNLIMITED_WIDTH
        super().__init__(file=cast("TextIO", screen), highlight=False, emoji=False, width=width)

    def status(self, *arguments: Any, **options: Any) -> Status:
        shown = super().status(*arguments, **options)
        if not self.is_terminal:  # else a thread would refresh what nobody sees
            shown._live.auto_refresh = False
        return shown

    def print(self, *objects: Any, **options: Any) -> None:
        if self.file is STDOUT:  # type: ignore[comparison-overlap]
            STDERR.drain()  # a message that came first is printed first
        super().print(*(printable(each, lines=True) if isinstance(each, str) else each for each in objects), **options)
