"""The channels of a source over time: devices are added and removed while slots pass. Pure."""

from collections.abc import Sequence

from riglog.model import Channel


class Presence:
    """A slot needs a row of each channel that was present when the slot was due."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.current = list(channels)
        self._changes: list[tuple[int, list[Channel]]] = []  # until when, and the channels before

    def change(self, now_ns: int, channels: Sequence[Channel]) -> None:
        """Record that the channels are others from now on. A slot that is due just now has the earlier ones."""
        if list(channels) != self.current:
            self._changes.append((now_ns, self.current))
            self.current = list(channels)

    def at(self, due_ns: int) -> list[Channel]:
        """Return the channels that were present at a time. Times of earlier calls are not requested again."""
        while self._changes and self._changes[0][0] < due_ns:
            self._changes.pop(0)
        return self._changes[0][1] if self._changes else self.current

    def changed_since(self, due_ns: int) -> bool:
        """Return True if the channels are others now than at ``due_ns``."""
        return bool(self._changes) and self._changes[-1][0] >= due_ns
