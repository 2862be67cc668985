"""What happens to a simulated instrument at given times: its panel, its load, another instrument in its place."""

from collections.abc import Callable


class Schedule:
    """Actions at given times, in seconds on the clock of the simulator."""

    def __init__(self) -> None:
        self._actions: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Let ``action`` happen before anything that is received or sent at ``when`` or later."""
        self._actions = sorted([*self._actions, (when, action)], key=lambda planned: planned[0])

    def next_due(self) -> float | None:
        """Return when the next action happens; None if there is none."""
        return self._actions[0][0] if self._actions else None

    def advance(self, now: float) -> None:
        """Let everything happen that is due by now, in the order of its times."""
        while self._actions and self._actions[0][0] <= now:
            self._actions.pop(0)[1]()
