"""Changes of a simulated instrument at its panel, or of its sensor: at a given time, or between two requests."""

from collections.abc import Callable

from msgspec import Struct

Action = Callable[[], None]


class _Change(Struct):
    action: Action
    at: float | None = None
    requests: int = 0  # left until then, without a time


class Panel:
    """What happens to an instrument without a request, in the order of the times and requests at which it is due."""

    def __init__(self) -> None:
        self._changes: list[_Change] = []

    def at(self, now: float, action: Action) -> None:
        """Let something happen at a time in seconds."""
        self._changes.append(_Change(action, at=now))

    def after(self, requests: int, action: Action) -> None:
        """Let something happen when so many further requests have been received, before the next one."""
        self._changes.append(_Change(action, requests=requests))

    def request(self, now: float) -> None:
        """Let happen what is due before a request that is received now."""
        if not self._changes:
            return
        timed = sorted((one for one in self._changes if one.at is not None), key=lambda one: one.at or 0.0)
        counted = [one for one in self._changes if one.at is None]
        due = [one for one in timed if one.at is not None and one.at <= now]
        due += [one for one in counted if one.requests == 0]
        for change in counted:
            change.requests -= 1
        self._changes = [one for one in self._changes if one not in due]
        for change in due:
            change.action()
