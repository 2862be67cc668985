"""Runs actions so that none can slow or end a recording: a bounded queue and a thread for each action.

The threads are daemons: an action that never returns does not keep the process from ending. While it hangs, further
changes wait in its queue; what does not fit is dropped, and reported.
"""

import threading
import time
from collections.abc import Callable, Iterable
from queue import Full, Queue

from riglog.alarms.actions import Action, Facts
from riglog.errors import describe

QUEUE_SIZE = 100
CLOSE_SECONDS = 5.0
_END = None


class Dispatcher:
    """Starts the actions of alarms by their names.

    Args:
        failed: called with the name of an action and the reason; in the thread of the action.
    """

    def __init__(self, actions: Iterable[Action], failed: Callable[[str, str], None]) -> None:
        self._actions = {action.name: action for action in actions}
        self._queues: dict[str, Queue[Facts | None]] = {}
        self._threads: list[threading.Thread] = []
        self._failed = failed

    def start(self, names: Iterable[str], facts: Facts) -> None:
        """Let the actions of these names run, soon and elsewhere."""
        for name in names:
            queue = self._queues.get(name) or self._new_queue(name)
            try:
                queue.put_nowait(facts)
            except Full:
                self._failed(name, "dropped, because earlier ones have not ended")

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until what was started has ended, at most for so long. Blocking. Return whether it has."""
        end = time.monotonic() + seconds
        for queue in self._queues.values():
            try:
                queue.put_nowait(_END)
            except Full:  # nobody waits for a full queue
                continue
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _new_queue(self, name: str) -> "Queue[Facts | None]":
        queue: Queue[Facts | None] = Queue(QUEUE_SIZE)
        self._queues[name] = queue
        thread = threading.Thread(
            target=self._serve, args=(self._actions[name], queue), name=f"riglog action {name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()
        return queue

    def _serve(self, action: Action, queue: "Queue[Facts | None]") -> None:
        while (facts := queue.get()) is not _END:
            try:
                action.run(facts)
            except Exception as error:
                self._failed(action.name, getattr(error, "message", None) or describe(error))
