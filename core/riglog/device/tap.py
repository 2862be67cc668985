"""Frames on a line that is only listened to: found in the bytes, and each reply given to its request. Pure.

The times are arguments. A reply belongs to a request only if that request was seen intact directly before it. Even
then it is not certain where an earlier request got no reply, or was not seen: the late reply to that one may look the
same. Two replies in a row that look different, each behind its own request, prove that nothing is late.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from riglog.device.frame_reader import FrameKind, FrameReader, Incomplete, SeenFrame
from riglog.errors import DeviceError, MalformedReplyError, ProtocolError
from riglog.model import NS, Sample, Stamp

IDLE_SECONDS = 0.1
"""Without a byte: then what has been received of a frame will not be completed."""

LATE_SECONDS = 10.0
"""For so long a request that got no reply may still get it."""

MOST_BYTES = 8192
"""Of a frame that has begun."""

NO_REQUEST = "its request was not seen"
UNCERTAIN = "it could be a frame of another kind"
LATE = "it could be the late reply to an earlier request"
NOT_ITS_REPLY = "it does not belong to the request before it"


class Tapped(Struct, frozen=True):
    """One frame with its time.

    Attributes:
        request: of a reply: the request that it belongs to; None: that is not proven.
        samples: the values in it that can be recorded.
        why_not: why a reply is shown only, and not recorded; None if there is nothing to record in it.
    """

    frame: SeenFrame
    stamp: Stamp
    request: Any = None
    samples: Sequence[Sample] = ()
    why_not: str | None = None


class _Late(Struct):
    """Replies of one signature that may still arrive. ``request``: of all of them, None if they differ."""

    until_ns: int
    request: Any


class TapLine:
    """The frames of one line. ``reader`` reads them.

    ``in_order``: an instrument responds to its requests in their order, so its reply proves that no older one follows.
    """

    def __init__(self, reader: FrameReader[Any], *, in_order: bool = True) -> None:
        self.reader = reader
        self._in_order = in_order
        self._codec = reader.codec
        self._buffer = bytearray()
        self._skipped = bytearray()
        self._awaited: Any = None
        self._awaited_ns = 0
        self._late: dict[tuple[object, object], _Late] = {}  # by address and signature
        self._unseen_until_ns: int | None = None  # the reply to a request that was not seen may come
        self._proving: dict[object, object] = {}  # the signature of the last reply, by address
        self._proven: set[object] = set()  # addresses of which none is outstanding

    @property
    def is_incomplete(self) -> bool:
        """True if bytes have been received that are no frame yet."""
        return bool(self._buffer or self._skipped)

    def feed(self, data: bytes, utc_ns: int, monotonic_ns: int) -> list[Tapped]:
        """Return the frames that are complete with these bytes."""
        self._buffer += data
        return self._frames(utc_ns, monotonic_ns, final=len(self._buffer) > MOST_BYTES)

    def idle(self, utc_ns: int, monotonic_ns: int) -> list[Tapped]:
        """Return what was received and will not be completed: frames inside it, and the rest as damaged bytes."""
        found = self._frames(utc_ns, monotonic_ns, final=True)
        return found + self._damaged(utc_ns, monotonic_ns)

    def _frames(self, utc_ns: int, monotonic_ns: int, *, final: bool) -> list[Tapped]:
        found: list[Tapped] = []
        while self._buffer:
            awaited = None if self._skipped else self._awaited
            frame = self.reader.first_frame(bytes(self._buffer), awaited, final=final)
            if isinstance(frame, Incomplete):
                if not final:
                    break
                frame = None
            if frame is None:
                self._skipped += self._buffer[:1]
                del self._buffer[:1]
                continue
            found += self._damaged(utc_ns, monotonic_ns)
            del self._buffer[: len(frame.raw)]
            found.append(self._tapped(frame, utc_ns, monotonic_ns))
        return found

    def _damaged(self, utc_ns: int, monotonic_ns: int) -> list[Tapped]:
        """Return the bytes that are no frame, as one. What was awaited may have been in them."""
        if not self._skipped:
            return []
        raw = bytes(self._skipped)
        self._skipped.clear()
        self._note_damage(monotonic_ns)
        return [Tapped(SeenFrame(FrameKind.DAMAGED, raw, "no frame"), Stamp(utc_ns, None, monotonic_ns))]

    def _note_damage(self, monotonic_ns: int) -> None:
        """Note that a request, or the awaited reply, may have been in bytes that are no frame."""
        self._leave_unanswered(monotonic_ns)
        self._unseen_until_ns = monotonic_ns + round(LATE_SECONDS * NS)
        self._proving.clear()
        self._proven.clear()

    def _tapped(self, frame: SeenFrame, utc_ns: int, monotonic_ns: int) -> Tapped:
        stamp = Stamp(utc_ns, None, monotonic_ns)
        match frame.kind:
            case FrameKind.REPLY:
                return self._reply(frame, utc_ns, monotonic_ns)
            case FrameKind.UNSOLICITED:
                return self._with_samples(frame, None, stamp)
            case FrameKind.REQUEST:
                self._leave_unanswered(monotonic_ns)
                self._awaited, self._awaited_ns = frame.request, monotonic_ns
            case FrameKind.DAMAGED:
                self._note_damage(monotonic_ns)
        return Tapped(frame, stamp)

    def _reply(self, frame: SeenFrame, utc_ns: int, monotonic_ns: int) -> Tapped:
        request = self._awaited
        without_request = Stamp(utc_ns, None, monotonic_ns)
        if request is None:
            return Tapped(frame, without_request, why_not=NO_REQUEST)
        latency = monotonic_ns - self._awaited_ns
        stamp = Stamp(utc_ns, latency, monotonic_ns - latency // 2)
        try:
            belongs = self._codec.decode(request, bytearray(frame.raw), final=True) is not None
        except (DeviceError, MalformedReplyError) as error:  # an error reply contains little of its request
            self._leave_unanswered(monotonic_ns)
            return Tapped(frame, stamp, request, why_not=error.message)
        if not belongs:
            self._proving.pop(self._codec.address(request), None)
            self._leave_unanswered(monotonic_ns)
            return Tapped(frame, without_request, why_not=NOT_ITS_REPLY)
        if self._may_be_late(request, monotonic_ns):
            return Tapped(frame, stamp, request, why_not=LATE)
        if not frame.certain:
            self._leave_unanswered(monotonic_ns)
            return Tapped(frame, stamp, request, why_not=UNCERTAIN)
        self._awaited = None
        if self._in_order:
            address = self._codec.address(request)
            self._late = {key: late for key, late in self._late.items() if key[0] != address}
        return self._with_samples(frame, request, stamp)

    def _with_samples(self, frame: SeenFrame, request: Any, stamp: Stamp) -> Tapped:
        try:
            return Tapped(frame, stamp, request, self.reader.samples(frame, request, stamp))
        except (DeviceError, ProtocolError) as error:
            return Tapped(frame, stamp, request, why_not=error.message)

    def _may_be_late(self, request: Any, monotonic_ns: int) -> bool:
        """Return True if this can be the reply to an earlier request. Then that to the present one may still come.

        Of an earlier request that was the same one, the late reply has the same quantity: only its time is uncertain,
        and not for ever.
        """
        address, signature = self._codec.address(request), self._codec.reply_signature(request)
        late = self._late.get((address, signature))
        if late is not None and late.until_ns > monotonic_ns:
            if late.request != request:
                self._leave_unanswered(monotonic_ns)
            self._awaited = None
            return True
        if not self._is_proven(address, signature, monotonic_ns):
            self._awaited = None
            return True
        return False

    def _is_proven(self, address: object, signature: object, monotonic_ns: int) -> bool:
        """Return True if no reply to a request that was not seen can be taken for this one.

        If there was one that is taken for the reply before, the true reply before would come now, and two different
        replies in a row would not match their requests.
        """
        if self._unseen_until_ns is None:
            self._unseen_until_ns = monotonic_ns + round(LATE_SECONDS * NS)  # listening begins
        if self._unseen_until_ns <= monotonic_ns or address in self._proven:
            return True
        before = self._proving.get(address, signature)
        self._proving[address] = signature
        if self._in_order and before != signature:
            self._proven.add(address)
            return True
        return False

    def _leave_unanswered(self, monotonic_ns: int) -> None:
        """Note that the reply to the awaited request may come late."""
        request, self._awaited = self._awaited, None
        if request is None:
            return
        self._late = {key: late for key, late in self._late.items() if late.until_ns > monotonic_ns}
        key = (self._codec.address(request), self._codec.reply_signature(request))
        until_ns = monotonic_ns + round(LATE_SECONDS * NS)
        before = self._late.get(key)
        self._late[key] = _Late(until_ns, request if before is None or before.request == request else None)
