"""A trend in one line of text."""

from collections.abc import Sequence

LEVELS, ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.-~=*#@"
GAP = " "


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """Return the last ``width`` values as bars between their smallest and largest; a missing one is a blank."""
    shown = list(values)[-width:]
    numbers = [value for value in shown if value is not None]
    if not numbers:
        return GAP * len(shown)
    levels = ASCII_LEVELS if ascii_only else LEVELS
    low, span = min(numbers), max(numbers) - min(numbers)
    middle = len(levels) // 2 - 1

    def bar(value: float | None) -> str:
        if value is None:
            return GAP
        return levels[middle if not span else min(len(levels) - 1, int((value - low) / span * len(levels)))]

    return "".join(map(bar, shown))
