"""Transactions on a line: send a request, receive its reply, leave the line in a known state.

``line_state`` has the theory of operation and the table of transitions that this file acts on. Which task may use the
line is decided by the caller: see ``client``.
"""

from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Generic

import anyio
import anyio.lowlevel
from msgspec import Struct

from riglog.errors import (
    AmbiguousReplyError,
    DeviceRefusedError,
    MalformedReplyError,
    ProtocolError,
    ReplyTimeoutError,
    WriteRefusedError,
    error_context,
)
from riglog.model import NS, Stamp
from riglog.protocol import failures
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.connection import Connection
from riglog.protocol.evidence import Evidence
from riglog.protocol.line_state import TRANSITIONS, LineEvent, LineState
from riglog.protocol.outstanding import OutstandingReplies
from riglog.protocol.timed_reply import TimedReply
from riglog.protocol.variants import Variants
from riglog.protocol.wire_log import AMBIGUOUS, FAILED, NO_REPLY_EXPECTED, REFUSED, Keep, KeptTransaction

MAX_HOLD_OFFS = 5
"""The line is busy if it has not been idle for one hold-off time within this many."""

MAX_REPLY_BYTES = 1024 * 1024
"""Received for one request without a reply in it: then no reply is expected any more, as if the time had passed."""

MAX_DIAGNOSED_BYTES = 4096
"""Of what was received instead of a reply; ``reply`` of the error has them too."""

MAX_LATE_BYTES = 64 * 1024
"""Received in one hold-off: more than late replies, so the line will not be idle soon."""

MAX_UNSOLICITED_BYTES = 64 * 1024
"""Received without an unsolicited frame in it: they are discarded, and so is the frame whose beginning they may be."""

HOLD_OFF_AFTER_REOPENING = 0.25
"""Seconds of hold-off, at most, on a port that was just opened again: most of it has passed meanwhile."""

LATE_REPLY_LIMIT, LATE_REPLY_LIMIT_OF_MANY, MANY_VARIANTS = 10.0, 60.0, 8
"""Seconds for which a reply can be late, unless the link says it: with many variants the longer one costs little."""

LEAST_PART_OF_LINE_TIME = 0.8
"""A reply is not counted as earlier than the line can carry it if it is only a little earlier: clocks differ."""

EARLY_REPLIES_OF_A_FAST_PORT = 2
"""After so many requests in a row with nothing but an early reply, the port is faster than its baud rate says."""

REMEMBERED = 8
"""Requests of which a copy of the reply is recognised."""

MOST_REFUSALS = 4096
MOST_LATE_BYTES = 4096


class ClientCounters(Struct):
    """Counts since the port was opened. ``stale_bytes`` were discarded, as they cannot belong to a request.

    ``surplus_replies`` are copies of earlier replies, and replies that came earlier than the line can carry them.
    """

    requests: int = 0
    replies: int = 0
    timeouts: int = 0
    retries: int = 0
    resynchronised: int = 0
    stale_bytes: int = 0
    surplus_replies: int = 0


class Line(Generic[Request, Reply]):
    """The line of one port. Not for concurrent use."""

    def __init__(self, connection: Connection, codec: Codec[Request, Reply]) -> None:
        link = connection.link
        self.transport = connection.transport
        self.clock = connection.clock
        self.link = link
        self.echo = link.echo
        self.codec = codec
        self._least_gap = 0.0
        self.inter_frame_gap = 0.0  # of this port
        self.counters = ClientCounters()
        self.state = LineState.IDLE
        self._buffer = bytearray()
        self._heard = b""  # everything that came in the last transaction, and directly before it
        self._outstanding = OutstandingReplies(codec)
        self._evidence = Evidence()
        self._variants: Variants[Request, Reply] | None = None
        if type(codec).variants is not Codec.variants:
            self._variants = Variants(codec)
        self._replied: deque[tuple[Request, Reply]] = deque(maxlen=REMEMBERED)
        self._confirmed: tuple[Request, Reply] | None = None  # what the present exchange confirms
        self._refused: set[Request] = set()
        self._sizes: dict[Request, int] = {}  # the fewest bytes that came with the reply
        self._early_replies = 0
        self._look_at_port()
        self._hold_off = 0.0
        self.read_only = False  # requests that change the instrument are refused
        self.keep: Keep | None = None  # called with every transaction
        self._received: bytes | bytearray = b""  # all that came in the last transaction
        self._last_byte_ns = 0  # monotonic, in either direction
        self._received_utc_ns = 0  # of the last byte of an unsolicited frame
        self._beginning_lost = False  # of the next unsolicited frame

    @property
    def port(self) -> str:
        return self.transport.port

    def transact(
        self, request: Request, *, timeout: float, retries: int = 0, skip_resync: bool = False
    ) -> Coroutine[Any, Any, TimedReply[Reply]]:
        """Send a request and return the reply that is proven to belong to it.

        Args:
            timeout: seconds, from the moment at which the request was handed to the port.
            retries: of a request without a reply; only requests that the codec calls repeatable are repeated.
            skip_resync: send even if outstanding replies may still arrive; only for a request that must be sent in any
                case, and where an older reply taken for its own does no harm.

        Raises:
            ReplyTimeoutError: no valid reply in time; ``reason`` says what was received instead.
            AmbiguousReplyError: the reply may belong to another request.
            DeviceRefusedError, MalformedReplyError: a reply, but no value.
            ConnectionLostError: the port is gone.
        """
        if self.read_only:
            self._refuse_change(request)
        if retries and self.codec.is_repeatable(request):
            return self._repeated(request, timeout, retries, skip_resync)
        return self._once(request, timeout, skip_resync)  # not one more coroutine: this is the way of every poll

    def _once(self, request: Request, timeout: float, skip_resync: bool) -> Coroutine[Any, Any, TimedReply[Reply]]:
        if skip_resync:
            return self._transaction(request, timeout, LineEvent.REQUEST_SENT, must_send=True)
        return self._proven(request, timeout)

    async def _repeated(
        self, request: Request, timeout: float, retries_left: int, skip_resync: bool
    ) -> TimedReply[Reply]:
        first: ReplyTimeoutError | None = None
        while True:
            try:
                return await self._once(request, timeout, skip_resync)
            except ReplyTimeoutError as error:
                first = first or error  # later ones may be about the resync request, which the caller did not send
                if not retries_left:
                    raise first from None
                retries_left -= 1
                self.counters.retries += 1

    async def send_without_reply(self, request: Request) -> None:
        """Send a request that has no reply; allowed while another task listens."""
        if self.read_only:
            self._refuse_change(request)
        await self._wait_idle(self.inter_frame_gap)
        frame = self.codec.encode(request)
        await self.transport.send(frame)
        self._last_byte_ns = self.clock.monotonic_ns()
        if self.keep is not None:
            self.keep(KeptTransaction(self.clock.utc_ns(), None, frame, b"", NO_REPLY_EXPECTED))

    def _refuse_change(self, request: Request) -> None:
        """Refuse a request that is not repeatable; a codec that states nothing about its requests refuses none.

        Raises:
            WriteRefusedError: nothing was sent.
        """
        states = type(self.codec).is_repeatable is not Codec.is_repeatable
        if states and not self.codec.is_repeatable(request):
            raise WriteRefusedError(
                "a request that changes the instrument was refused, because this rig is read-only",
                hint="Nothing was sent. Remove read_only = true from [run] of the rig file, if it may be changed",
                port=self.port,
            )

    async def listen(self) -> TimedReply[Reply]:
        """Wait for the next unsolicited frame; each frame is returned once.

        Raises:
            ConnectionLostError: the port is gone.
        """
        while (frame := self._unsolicited()) is None:
            self._append_received(await self.transport.receive())
        return frame

    def receive_unsolicited_nowait(self) -> TimedReply[Reply] | None:
        """Return an unsolicited frame that has been received completely, or None. Not while another task listens.

        Raises:
            ConnectionLostError: the port is gone.
        """
        if data := self.transport.receive_nowait():
            self._append_received(data)
        return self._unsolicited()

    def next_received(self) -> TimedReply[Reply] | None:
        """Return an unsolicited frame from what was received before; None if there is none. Reads nothing."""
        return self._unsolicited()

    def discard_input(self) -> None:
        """Discard what has been received; a frame that has begun is not completed."""
        self.counters.stale_bytes += len(self._buffer) + self.transport.discard_input()
        self._buffer.clear()

    def reopened(self) -> None:
        """The port was closed and opened again. Outstanding replies stay: the device does not know about it."""
        self.state = TRANSITIONS[self.state][LineEvent.REOPENED]
        self._buffer.clear()
        self._refused.clear()
        self._early_replies = 0
        self._look_at_port()
        if self._variants is not None:
            self._variants.clear()
        self._hold_off = min(self._hold_off, HOLD_OFF_AFTER_REOPENING)
        self._last_byte_ns = self.clock.monotonic_ns()

    def widen_gap(self, seconds: float) -> None:
        """Wait at least ``seconds`` before each request."""
        self._least_gap = max(self._least_gap, seconds)
        self.inter_frame_gap = max(self.inter_frame_gap, seconds)

    def _look_at_port(self) -> None:
        """Take over what depends on the kind of the port."""
        self._has_line_time = self.transport.has_line_time
        needs_gap = self.transport.may_have_uart or self.codec.needs_gap_everywhere
        self.inter_frame_gap = max(self._least_gap, self.codec.inter_frame_gap if needs_gap else 0.0)

    # --- one request

    async def _proven(self, request: Request, timeout: float) -> TimedReply[Reply]:
        """Send a request in the variant that is right now, and return its reply when nothing else can be meant."""
        variant, sent_as = request, LineEvent.REQUEST_SENT
        if self._outstanding or self.state is LineState.HOLD_OFF:
            variant, sent_as = await self._choose_variant(request, timeout)
        elif self._variants is not None:
            copies = self._evidence.copies_known_until > self._last_byte_ns
            variant = self._variants.next(request, self._is_free if copies else None) or request
        try:
            reply = await self._transaction(variant, timeout, sent_as)
        except DeviceRefusedError as refusal:
            variant, reply = await self._ask_again(request, variant, timeout, refusal)
        latency = reply.stamp.latency_ns or 0
        evidence, outstanding = self._evidence, self._outstanding
        signs = outstanding or evidence.copies_known_until or latency < evidence.early_ns or self.link.strict
        if signs and self._needs_confirmation(request, variant, latency):
            await self._confirm(variant, reply, timeout)
        if not outstanding or evidence.usual_latency() is None:  # the first one: a whole timeout has confirmed it
            evidence.note_latency(latency)
        return reply

    def _needs_confirmation(self, request: Request, variant: Request, latency: int) -> bool:
        """True if an older reply could look like the reply to the present request, and there are signs of one."""
        if self.link.strict or self._outstanding.of(variant) is not None:
            return True
        evidence, now = self._evidence, self._last_byte_ns
        free = 1
        if self._variants is not None and self._variants.take_turns:  # else every request is sent in the same one
            free = sum(map(self._is_free, self._variants.all(request)))
        if free < 2:
            return latency < evidence.early_ns or now < evidence.copies_known_until
        return free < MANY_VARIANTS and now < evidence.copies_until

    async def _choose_variant(self, request: Request, timeout: float) -> tuple[Request, LineEvent]:
        """Return the variant to send while replies are outstanding, when the line is ready for it."""
        outstanding, variants = self._outstanding, self._variants
        outstanding.forget_old(self.clock.monotonic_ns())
        if variants is None or variants.count(request) == 1:
            if self._order_proves_nothing_about(request) and outstanding.of(request) is not None:
                await self._wait_for_late_replies(request, timeout)
            await self._resynchronise(request, timeout)
            return request, LineEvent.REQUEST_SENT
        variant = variants.next(request, self._is_free)
        if variant is None and all(map(self._order_proves_nothing_about, variants.all(request))):
            await self._wait_for_late_replies(request, timeout)
            variant = variants.next(request, self._cannot_arrive)
        variant = variant or variants.next(request, self._is_passed)
        if variant is not None:
            return variant, LineEvent.FREE_REQUEST_SENT
        await self._resynchronise(request, timeout)
        return variants.next(request, self._is_passed) or request, LineEvent.REQUEST_SENT

    def _is_free(self, variant: Request) -> bool:
        return self._outstanding.of(variant) is None

    def _cannot_arrive(self, variant: Request) -> bool:
        one = self._outstanding.of(variant)
        return one is None or one.ends[-1] <= self.clock.monotonic_ns()

    def _is_passed(self, variant: Request) -> bool:
        one = self._outstanding.of(variant)
        return one is None or (one.passed and not one.uncertain)

    def _order_proves_nothing(self) -> bool:
        return self.link.strict or self._evidence.reordered_until > self.clock.monotonic_ns()

    def _order_proves_nothing_about(self, variant: Request) -> bool:
        """True if a reply to a later request does not prove that none of this signature can follow."""
        one = self._outstanding.of(variant)
        return self._order_proves_nothing() or (one is not None and one.uncertain)

    async def _wait_for_late_replies(self, request: Request, timeout: float) -> None:
        """Wait until a variant of the request is free: the late reply has arrived, or it cannot arrive any more.

        Raises:
            ReplyTimeoutError: none has become free within the timeout; nothing was sent.
        """
        variants = [request] if self._variants is None else self._variants.all(request)
        self.state = TRANSITIONS[self.state][LineEvent.NONE_FREE]
        self._discard_buffer()
        deadline = self.clock.monotonic_ns() + round(timeout * NS)
        try:
            while not any(map(self._cannot_arrive, variants)):
                ends = [one.ends[-1] for one in map(self._outstanding.of, variants) if one is not None]
                rest = min(deadline, *ends) - self.clock.monotonic_ns()
                if rest <= 0:
                    raise failures.waiting(**self._where(request))
                with anyio.move_on_after(rest / NS):
                    self._buffer += await self.transport.receive()
                    self._last_byte_ns = self.clock.monotonic_ns()
                await anyio.lowlevel.checkpoint()
                if self._note_surplus(bytes(self._buffer), None):
                    self._discard_buffer()
        except BaseException:
            self.state = TRANSITIONS[self.state][LineEvent.FAILED]
            raise
        self.state = TRANSITIONS[self.state][LineEvent.FREED]

    async def _ask_again(
        self, request: Request, variant: Request, timeout: float, refusal: DeviceRefusedError
    ) -> tuple[Request, TimedReply[Reply]]:
        """Send a refused read once more: a refusal contains nothing of its request, it may be late or a copy.

        Raises:
            DeviceRefusedError: it was refused twice.
            AmbiguousReplyError: another reply of this address is outstanding.
        """
        if self.codec.new_transaction_number():
            raise refusal  # its number proves it
        outstanding = self._outstanding
        outstanding.forget_old(self.clock.monotonic_ns())  # what the resync request has passed can be old, too
        unproven = outstanding.any_unpassed(request) or (outstanding.any_at(request) and self._order_proves_nothing())
        if not unproven and (not self.codec.is_repeatable(request) or request in self._refused):
            raise refusal
        outstanding.add(variant, self._last_byte_ns + self._limit_ns(variant))  # its own reply may still arrive
        if unproven:
            raise failures.ambiguous(failures.REFUSAL, **self._where(request)) from refusal
        again = variant
        if self._variants is not None:
            again = self._variants.after_refusal(request, variant, self._is_free)
        try:
            reply = await self._transaction(again, timeout, LineEvent.REQUEST_SENT)
        except DeviceRefusedError:
            if len(self._refused) >= MOST_REFUSALS:
                self._refused.clear()
            self._refused.add(request)
            outstanding.one_arrived(variant)
            raise
        if self._variants is not None and again != variant:
            self._variants.note_refused(request, variant)
        return again, reply

    # --- one transaction

    async def _transaction(
        self, request: Request, timeout: float, sent_as: LineEvent, *, must_send: bool = False
    ) -> TimedReply[Reply]:
        """Perform one transaction. However it ends, the line is in a state in which the next one is safe."""
        clock = self.clock
        if self.inter_frame_gap:
            await self._wait_idle(self.inter_frame_gap)
        self._heard = self._received = b""
        if stale := self.transport.receive_nowait() if not self._buffer else self._take_buffer():
            self.counters.stale_bytes += len(stale)
            self._note_surplus(stale[-MOST_LATE_BYTES:], None)
        if self.transport.flooded and not must_send:  # what is left unread could be taken for the reply
            raise failures.flooded(**self._where(request))
        frame = self.codec.encode(request)
        self.counters.requests += 1
        sent_utc, sent = clock.utc_ns(), clock.monotonic_ns()
        self.state = TRANSITIONS[self.state][sent_as]
        was_sent = False
        try:
            await self.transport.send(frame)
            was_sent = True
            reply = await self._receive_reply(request, frame, timeout, sent, echo=self.echo)
            if self._buffer and self._second_reply_follows(request, reply):
                raise failures.ambiguous(failures.SECOND_REPLY, **self._where(request))
        except (DeviceRefusedError, MalformedReplyError):
            self.state = TRANSITIONS[self.state][LineEvent.REPLY]
            self._keep(sent_utc, self._last_byte_ns - sent, frame, REFUSED)
            raise
        except AmbiguousReplyError:
            self.state = TRANSITIONS[self.state][LineEvent.SECOND_REPLY]
            self._note_second_reply(request, None)
            self._keep(sent_utc, self._last_byte_ns - sent, frame, AMBIGUOUS)
            raise
        except BaseException:
            self._failed(request, timeout)
            if was_sent:
                self._keep(sent_utc, self._last_byte_ns - sent, frame, FAILED)
            raise
        self.state = TRANSITIONS[self.state][LineEvent.REPLY]
        latency = self._last_byte_ns - sent
        if self.keep is not None:
            self.keep(KeptTransaction(sent_utc + latency, latency, frame, bytes(self._received)))
        heard = len(self._heard)
        if self._outstanding:
            if self._note_surplus(self._heard, request):
                self._discard_buffer()  # or it would be noted again
            self._outstanding.reply_received(request, self._last_byte_ns + self._limit_ns(request))
        elif heard > self._sizes.get(request, 0):
            self._note_size(request, heard)
        self._replied.append((request, reply))
        if stale:
            self._heard = stale + self._heard
        return TimedReply(reply, Stamp(sent_utc + latency, latency, sent + latency // 2))

    def _keep(self, sent_utc: int, latency: int, frame: bytes, outcome: str) -> None:
        if self.keep is not None:
            self.keep(KeptTransaction(sent_utc + latency, latency, frame, bytes(self._received), outcome))

    async def _receive_reply(
        self, request: Request, frame: bytes, timeout: float, sent: int, *, echo: bool = False
    ) -> Reply:
        """Receive until the reply is complete or the timeout has passed. With ``echo``, ``frame`` comes back first."""
        codec, buffer, clock = self.codec, self._buffer, self.clock
        received = self._received = bytearray()
        reply = None
        early = False
        transport, left = self.transport, timeout
        deadline = clock.monotonic_ns() + timeout * NS
        try:
            while reply is None:
                data = await transport.receive_within(left)
                if not data:
                    break
                now = self._last_byte_ns = clock.monotonic_ns()
                received += data
                if echo:
                    _, found, rest = received.partition(frame)
                    data = bytes(rest)
                    echo = not found  # until the echo is complete, nothing after it is known
                buffer += data
                size = len(buffer)
                try:
                    reply = codec.decode(request, buffer)
                except (DeviceRefusedError, MalformedReplyError):
                    if not (self._has_line_time and self._is_early(len(frame) + size - len(buffer), sent)):
                        raise
                    early = True
                if reply is not None and self._has_line_time and self._is_early(len(frame) + size - len(buffer), sent):
                    reply, early = None, True
                left = (deadline - now) / NS
                if reply is None and (left <= 0 or len(received) > MAX_REPLY_BYTES):
                    break
            if reply is None:
                reply = codec.decode(request, buffer, final=True)
        except (DeviceRefusedError, MalformedReplyError) as error:
            self.counters.replies += 1
            with error_context(port=self.port, address=codec.address(request), request=frame, reply=bytes(received)):
                raise error
        finally:
            self._heard = bytes(received[-MOST_LATE_BYTES:])
        if reply is None:
            self._note_only_early(early)
            self.counters.timeouts += 1
            context = self._where(request) | {"request": frame}
            sample = bytes(received[:MAX_DIAGNOSED_BYTES])
            if echo and received:
                raise failures.no_echo(timeout, sample, **context)
            raise failures.no_reply(timeout, sample, codec.diagnose(request, sample), **context)
        self._early_replies = 0
        self.counters.replies += 1
        return reply

    def _is_early(self, characters: int, sent: int) -> bool:
        """True if the line cannot have carried so many characters since the request was handed to the port."""
        if (self._last_byte_ns - sent) / NS >= LEAST_PART_OF_LINE_TIME * self.link.seconds(characters):
            return False
        self.counters.surplus_replies += 1
        return True

    def _note_only_early(self, early: bool) -> None:
        """Note that nothing but an early reply has come: if this is the rule, the port has no line time."""
        self._early_replies = self._early_replies + 1 if early else 0
        if self._early_replies >= EARLY_REPLIES_OF_A_FAST_PORT:
            self._has_line_time = False

    def _failed(self, request: Request, timeout: float) -> None:
        """The reply may still arrive: note it as outstanding, and begin the hold-off."""
        self.state = TRANSITIONS[self.state][LineEvent.FAILED]  # first: the codec, which a driver brings, may fail
        now = self._last_byte_ns = self.clock.monotonic_ns()
        self._hold_off = timeout
        if self.codec.hold_off is not None:
            self._hold_off = self.codec.hold_off
        if not self.codec.new_transaction_number():
            if self._outstanding and self._note_surplus(self._heard, request, replied=False):
                self._discard_buffer()  # or it would be noted again
            self._outstanding.add(request, now + self._limit_ns(request))

    def _limit_ns(self, request: Request) -> int:
        """Return for how long a reply to ``request`` can be late."""
        limit = self.link.late_reply_limit
        if limit is None:
            limit = LATE_REPLY_LIMIT_OF_MANY if self._has_many_variants(request) else LATE_REPLY_LIMIT
        return round(limit * NS)

    def _has_many_variants(self, request: Request) -> bool:
        return self._variants is not None and self._variants.count(request) >= MANY_VARIANTS

    # --- what nobody waited for

    def _note_surplus(self, heard: bytes, awaited: Request | None, *, replied: bool = True) -> bool:
        """Look for late replies and copies in what was heard; return True if there are any.

        Args:
            awaited: the request that was sent before.
            replied: its own reply is in ``heard``.
        """
        if not heard:
            return False
        evidence, codec = self._evidence, self.codec
        now = self.clock.monotonic_ns()
        own = None if awaited is None else self._place(awaited)
        copied = self._copied_in(heard)

        def is_explained(address: object, signature: object) -> bool:
            """A copy of what is being confirmed; or the request was replied to by another device, not the right one."""
            if copied is not None and (address, signature) == self._place(copied):
                return True
            return own is not None and not replied and signature == own[1] and address != own[0]

        clear = evidence.copies_until <= now
        arrived = self._outstanding.arrived_in(heard, awaited, clear=clear, explained=is_explained)
        if copied is None:
            places = ((request, self._place(request)) for request, _ in reversed(self._replied))
            others = (request for request, place in places if place != own and not is_explained(*place))
            copied = None if arrived else next((one for one in others if codec.replies_in(one, heard)), None)
        if copied is not None:
            evidence.note_copy(now, self._limit_ns(copied))
            self.counters.surplus_replies += 1
        if arrived:
            evidence.note_late(now, overtaken=any(one.passed for one in arrived))
        return bool(arrived) or copied is not None

    def _copied_in(self, heard: bytes) -> Request | None:
        """Return the request whose reply is being confirmed, if nothing but this reply came once more."""
        if self._confirmed is None:
            return None
        request, reply = self._confirmed
        found = self.codec.replies_in(request, heard)
        return request if found and all(other == reply for other in found) else None

    def _place(self, request: Request) -> tuple[object, object]:
        return self.codec.address(request), self.codec.reply_signature(request)

    def _note_size(self, request: Request, heard: int) -> None:
        """More came than the reply alone, or it is not known how long the reply is: there may be a copy in it."""
        if self._note_surplus(self._heard, request):
            self._discard_buffer()
        if len(self._sizes) >= MOST_REFUSALS:
            self._sizes.clear()
        self._sizes[request] = min(heard, self._sizes.get(request, heard))

    def _note_second_reply(self, request: Request, first: Reply | None) -> None:
        """Two different replies: one of them is a late one if one is outstanding, else there are copies.

        One that says what a recent reply said may be a copy of that: then what is outstanding is still to come.

        Args:
            first: the one that was taken for the reply; what was heard last has the other one. None: it has both.
        """
        now = self.clock.monotonic_ns()
        earlier = self._outstanding.of(request) if self._outstanding else None
        if earlier is not None:
            copied = self._may_be_copied(request, first)
            self._evidence.note_late(now, overtaken=earlier.passed and not copied)
            if not copied:
                self._outstanding.one_arrived(request)
        else:
            self._evidence.note_copy(now, self._limit_ns(request))

    def _may_be_copied(self, request: Request, first: Reply | None) -> bool:
        """Return True if one of two replies to ``request`` is the same as a recent reply of this signature."""
        place, codec, heard = self._place(request), self.codec, self._heard
        recent = [(earlier, reply) for earlier, reply in self._replied if self._place(earlier) == place]
        if first is not None:
            recent = recent[:-1]  # the last one is itself
        return any(reply == first or reply in codec.replies_in(earlier, heard) for earlier, reply in recent)

    # --- after a failure

    async def _resynchronise(self, request: Request, timeout: float) -> None:
        """Bring the line into a state in which the next reply must belong to the next request."""
        if self.state is LineState.HOLD_OFF:
            await self._wait_hold_off()
        if not self._outstanding.any_unpassed(request):
            return
        resync = self._outstanding.resync_request(request)
        if resync is None:
            if self._evidence.late_until > self.clock.monotonic_ns() and self._outstanding.of(request) is not None:
                await self._wait_for_late_replies(request, timeout)
            self._outstanding.passed_by_idle_line(request)
            return
        try:
            await self._transaction(resync, timeout, LineEvent.RESYNC_SENT)
        except (DeviceRefusedError, MalformedReplyError):
            await self._receive_own_reply(resync, timeout)
        self.counters.resynchronised += 1

    async def _receive_own_reply(self, resync: Request, timeout: float) -> None:
        """A refusal may belong to an older request: then the reply to the resync request is still to come."""
        self.state = TRANSITIONS[self.state][LineEvent.RESYNC_SENT]
        try:
            with suppress(ProtocolError, DeviceRefusedError):
                await self._receive_reply(resync, b"", timeout, 0)
        except BaseException:
            self._failed(resync, timeout)
            raise
        self.state = TRANSITIONS[self.state][LineEvent.REPLY]
        self._outstanding.reply_received(resync, self.clock.monotonic_ns() + self._limit_ns(resync))

    # --- confirmation

    async def _confirm(self, variant: Request, reply: TimedReply[Reply], timeout: float) -> None:
        """Confirm a reply: it came within the usual time, and the next exchange brings no other one like it.

        Raises:
            AmbiguousReplyError: it is not certain to which request the reply belongs.
        """
        outstanding = self._outstanding.number_of(variant)
        late = outstanding > 0
        usual = self._evidence.usual_latency()
        latency = reply.stamp.latency_ns or 0
        if late and usual is not None and latency > usual:
            self._outstanding.one_of_them_arrived(variant, self._last_byte_ns + self._limit_ns(variant))
            raise failures.ambiguous(failures.TOO_LATE, **self._where(variant))
        confirming = self.codec.confirming_request(variant, self._outstanding.requests_at(variant))
        self.state = TRANSITIONS[self.state][LineEvent.REPLY_IN_WINDOW]
        if confirming is None:
            copies = self._evidence.copies_known_until > self._last_byte_ns
            proven = not copies or self._evidence.is_learnt()  # latencies of copies are too short
            await self._listen_for_second(variant, reply, timeout, usual if proven else None)
        elif await self._second_reply_before(confirming, variant, reply, timeout):
            self.state = TRANSITIONS[self.state][LineEvent.SECOND_REPLY]
            if self._outstanding.number_of(variant) >= outstanding:  # the confirming exchange has not noted it as late
                self._note_second_reply(variant, reply.reply)
            raise failures.ambiguous(failures.SECOND_REPLY, **self._where(variant))
        self.state = TRANSITIONS[self.state][LineEvent.CONFIRMED]

    async def _second_reply_before(
        self, confirming: Request, variant: Request, reply: TimedReply[Reply], timeout: float
    ) -> bool:
        """Perform the confirming transaction; True if another reply to ``variant``, which differs, came before its end.

        Raises:
            AmbiguousReplyError: it has no reply that proves the order.
        """
        self._confirmed = variant, reply.reply
        try:
            await self._transaction(confirming, timeout, LineEvent.CONFIRMATION_SENT)
        except (DeviceRefusedError, MalformedReplyError):
            pass  # it is a reply all the same
        except (ReplyTimeoutError, AmbiguousReplyError):
            self._end_unsent_confirmation(variant, timeout)
            raise failures.ambiguous(failures.NOT_CONFIRMED, **self._where(variant)) from None
        except BaseException:
            self._end_unsent_confirmation(variant, timeout)
            raise
        finally:
            self._confirmed = None
        return any(other != reply.reply for other in self.codec.replies_in(variant, self._heard))

    def _end_unsent_confirmation(self, variant: Request, timeout: float) -> None:
        """It failed, or was cancelled, in the gap before it: then it has not changed the state of the line."""
        if self.state is LineState.CONFIRMING:
            self._failed(variant, timeout)

    async def _listen_for_second(
        self, variant: Request, reply: TimedReply[Reply], timeout: float, usual: int | None
    ) -> None:
        """Without a request that proves the order: no other reply may follow within the usual time.

        What comes meanwhile can be a late reply of another signature.

        Raises:
            AmbiguousReplyError: another one follows.
        """
        rest = (timeout if usual is None else usual / NS) - (reply.stamp.latency_ns or 0) / NS
        listened = bytearray()
        try:
            with anyio.move_on_after(rest):
                while not self._second_reply_follows(variant, reply.reply):
                    data = await self.transport.receive()
                    self._last_byte_ns = self.clock.monotonic_ns()
                    self._buffer += data
                    listened += data
                    self._heard = bytes(listened[-MOST_LATE_BYTES:])
                self._note_second_reply(variant, reply.reply)
                raise failures.ambiguous(failures.SECOND_REPLY, **self._where(variant))
        except AmbiguousReplyError:
            self.state = TRANSITIONS[self.state][LineEvent.SECOND_REPLY]
            raise
        except BaseException:
            self._failed(variant, timeout)
            raise
        if listened and self._note_surplus(self._heard, variant):
            self._discard_buffer()  # or it would be noted again

    def _second_reply_follows(self, request: Request, reply: Reply) -> bool:
        """True if the bytes behind the reply hold another one to the same request, which differs."""
        try:
            second = self.codec.decode(request, self._buffer)
        except (DeviceRefusedError, MalformedReplyError):
            return True
        return second is not None and second != reply

    def _where(self, request: Request) -> dict[str, object]:
        return {"port": self.port, "address": self.codec.address(request)}

    def _take_buffer(self) -> bytes:
        """Return what was received and is not used, and what has arrived meanwhile."""
        taken = bytes(self._buffer) + self.transport.receive_nowait()
        self._buffer.clear()
        return taken

    def _discard_buffer(self) -> None:
        self.counters.stale_bytes += len(self._buffer)
        self._buffer.clear()

    # --- idle time

    async def _wait_idle(self, seconds: float) -> None:
        """Wait until ``seconds`` have passed since the last byte in either direction."""
        while (rest := seconds - (self.clock.monotonic_ns() - self._last_byte_ns) / NS) > 0:
            await anyio.sleep(rest)

    async def _wait_hold_off(self) -> None:
        """Wait until the line has been idle for the hold-off time. Late bytes are discarded and start it again.

        Raises:
            ReplyTimeoutError: the line does not become idle.
        """
        self._discard_buffer()
        received = 0
        try:
            with anyio.move_on_after(self._hold_off * MAX_HOLD_OFFS):
                while (rest := self._hold_off - (self.clock.monotonic_ns() - self._last_byte_ns) / NS) > 0:
                    with anyio.move_on_after(rest):
                        late = await self.transport.receive()
                        received += len(late)
                        self._buffer += late[-MOST_LATE_BYTES:]
                        self._last_byte_ns = self.clock.monotonic_ns()
                        if len(self._buffer) > MOST_LATE_BYTES:
                            self._discard_buffer()
                    if received > MAX_LATE_BYTES:
                        raise failures.flooded(port=self.port)
                    await anyio.lowlevel.checkpoint()  # data without end would never let the outer scope end
                self.state = TRANSITIONS[self.state][LineEvent.LINE_IDLE]
                return
        finally:
            self._note_surplus(bytes(self._buffer), None)
            self._discard_buffer()
        raise failures.line_busy(self._hold_off, port=self.port)

    # --- unsolicited frames

    def _append_received(self, data: bytes) -> None:
        self._buffer += data
        self._received_utc_ns, self._last_byte_ns = self.clock.utc_ns(), self.clock.monotonic_ns()

    def _unsolicited(self) -> TimedReply[Reply] | None:
        before = b"" if self.keep is None else bytes(self._buffer)
        frame = self.codec.unsolicited(self._buffer) if self._buffer else None
        if frame is None:
            if len(self._buffer) > MAX_UNSOLICITED_BYTES:
                self.counters.stale_bytes += len(self._buffer)
                self._buffer.clear()
                self._beginning_lost = True
            return None
        if self._beginning_lost:
            self._beginning_lost = False
            return self._unsolicited()
        if self.keep is not None:
            used = before[: len(before) - len(self._buffer)]
            self.keep(KeptTransaction(self._received_utc_ns, None, b"", used))
        return TimedReply(frame, Stamp(self._received_utc_ns, None, self._last_byte_ns))
