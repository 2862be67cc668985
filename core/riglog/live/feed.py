"""What every browser is sent: a message is made once, kept for a while, and written by the thread of each browser.

A browser that lost its connection resumes behind the last message that it has. If that is not kept any more, or if the
browser is too slow, it gets the present state as a whole instead: memory is bounded, and no browser delays another one.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from riglog.live.source import EVENTS, LiveChannel, LiveEvent, Look, Source
from riglog.log import get_logger

KEPT_MESSAGES, KEPT_BYTES = 240, 4_000_000
HEARTBEAT_SECONDS = 10.0
HEARTBEAT = b": alive\n\n"
RETRY = b"retry: 2000\n\n"
_JSON = msgspec.json.Encoder()
log = get_logger("riglog.live")


class Message(Struct, frozen=True):
    """A message as it is sent; ``number`` counts them."""

    number: int
    data: bytes


class Feed:
    """Looks at a source again and again, in a thread of its own. ``look`` is what it has seen last."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.boot = secrets.token_hex(4)
        self.look = Look(state="empty", channels=[], points={}, events=[], alarms=[])
        self.events: deque[LiveEvent] = deque(maxlen=EVENTS)
        self.renewals = 0
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._number = 0
        self._sent: dict[int, bytes] = {}
        self._sent_state: tuple[Any, ...] = ()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="riglog-live-feed", daemon=True)

    def start(self) -> None:
        """Look once, so that the first browser sees something, and go on in the background."""
        self.take(self.source.look(time.time_ns()))
        self._thread.start()

    def stop(self) -> None:
        """End the looking and every stream."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(5)

    def channels(self) -> dict[int, LiveChannel]:
        """Return the channels as they are now."""
        with self._changed:
            return {channel.id: channel for channel in self.look.channels}

    def take(self, look: Look) -> None:
        """Take in what a source has: keep the messages that it makes, and wake the browsers."""
        with self._changed:
            known = {channel.id for channel in self.look.channels}
            self.look = look
            if look.renewed:
                self.renewals += 1
                self.events.clear()
            self.events.extend(look.events)
            if look.renewed or known != {channel.id for channel in look.channels}:
                self._remember()
                self._put(self._hello())
            else:
                self._put_changes(look)

    def stream(self, last: str | None, timeout: float = HEARTBEAT_SECONDS) -> Iterator[bytes]:
        """Return what one browser is sent, until the feed ends.

        Args:
            last: the id of the last message that the browser has.
            timeout: seconds without a message after which there is a heartbeat.
        """
        yield RETRY
        number = self._resumed(last)
        while not self._stopped.is_set():
            with self._changed:
                waiting = self._behind(number)
                if not waiting:
                    self._changed.wait(timeout)
                    waiting = self._behind(number)
            if waiting:
                number = waiting[-1].number
                yield b"".join(message.data for message in waiting)
            elif not self._stopped.is_set():
                yield HEARTBEAT

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self.source.look_seconds):
                try:
                    self.take(self.source.look(time.time_ns()))
                except Exception:
                    log.exception("the recording could not be looked at; the page goes on")
        finally:
            self.source.close()

    def _resumed(self, last: str | None) -> int:
        """Return the number behind which a browser continues; -1: it needs everything."""
        boot, _, number = (last or "").partition(":")
        return int(number) if boot == self.boot and number.isascii() and number.isdecimal() else -1

    def _behind(self, number: int) -> list[Message]:
        """Return the messages behind a number, or the present state if they are not kept."""
        if number == self._number:
            return []
        kept = self._messages[0].number if self._messages else self._number + 1
        if number < kept - 1 or number > self._number:
            return [Message(self._number, self._event("hello", self._hello()[1], self._number))]
        return [message for message in self._messages if message.number > number]

    def _hello(self) -> tuple[str, dict[str, Any]]:
        look = self.look
        return "hello", {
            "boot": self.boot,
            "renewals": self.renewals,
            "now_ms": time.time() * 1000,
            "title": self.source.title,
            "takes_notes": self.source.takes_notes,
            "worst_first": self.source.worst_first,
            "state": look.state,
            "message": look.message,
            "run": look.run,
            "channels": look.channels,
            "alarms": look.alarms,
            "events": list(self.events),
        }

    def _remember(self) -> None:
        self._sent = {channel.id: _JSON.encode(channel) for channel in self.look.channels}
        self._sent_state = self._state()

    def _state(self) -> tuple[Any, ...]:
        look = self.look
        return look.state, look.message, look.run and look.run.run, list(look.alarms)

    def _put_changes(self, look: Look) -> None:
        changed = []
        for channel in look.channels:
            encoded = _JSON.encode(channel)
            if self._sent.get(channel.id) != encoded:
                self._sent[channel.id] = encoded
                changed.append(channel)
        if self._state() != self._sent_state:
            self._sent_state = self._state()
            content = {"state": look.state, "message": look.message, "run": look.run, "alarms": look.alarms}
            self._put(("state", content))
        if look.events:
            self._put(("events", look.events))
        if changed or look.points:
            new = {
                "now_ms": time.time() * 1000,
                "channels": changed,
                "points": {str(number): points for number, points in look.points.items()},
            }
            self._put(("tick", new))

    def _put(self, message: tuple[str, Any]) -> None:
        self._number += 1
        made = Message(self._number, self._event(*message, self._number))
        self._messages.append(made)
        self._bytes += len(made.data)
        while len(self._messages) > KEPT_MESSAGES or (self._bytes > KEPT_BYTES and len(self._messages) > 1):
            self._bytes -= len(self._messages.popleft().data)
        self._changed.notify_all()

    def _event(self, kind: str, content: Any, number: int) -> bytes:
        return b"id: %s:%d\nevent: %s\ndata: %s\n\n" % (
            self.boot.encode(),
            number,
            kind.encode(),
            _JSON.encode(content),
        )
