"""The states of a line, and which event leads from one to another. Pure data; ``line`` acts on it.

Theory of operation
===================

A serial line has no transactions. A reply may arrive after its timeout, when the next request is already under way, and
looks like the reply to that one. The client therefore knows at any time in which state the line is, and sends a request
only in a state in which nothing that may still arrive can be taken for its reply.

::

                       REQUEST_SENT                        REPLY
        ┌──────► IDLE ───────────────► AWAITING_REPLY ──────────────────────► IDLE
        │          │                        │    │ REPLY_IN_WINDOW
        │          │ RESYNC_SENT            │    └────────► CONFIRMING ─────► IDLE   CONFIRMED, SECOND_REPLY
        │          ▼                        │                    │
        │   RESYNCHRONISING ──► IDLE        │ FAILED             │ FAILED
        │          │        REPLY           ▼                    │
        │          └───────────────►  HOLD_OFF ◄─────────────────┘
        │                FAILED           │
        └─────────────────────────────────┘
                   LINE_IDLE

IDLE
    The last transaction ended with a reply, or the line has been idle for the hold-off time since. What is in the
    receive buffer is older than the next request and is discarded before it is sent.
AWAITING_REPLY
    A request was sent. A frame is its reply only if the codec proves it. A timeout, a cancellation and a lost
    connection all mean the same: the reply is *outstanding*, it may still arrive.
HOLD_OFF
    Nothing is sent until the line has been idle for the hold-off time (``Codec.hold_off``). Late bytes are discarded
    and start the hold-off again.
RESYNCHRONISING
    The addressed device has outstanding replies. A resync request is under way: a harmless read whose reply cannot be
    confused with any of them (``Codec.resync_request``). Devices respond in order, so nothing older can follow its
    reply. Protocols with a transaction number take a new number instead and never enter this state.
CONFIRMING
    A reply came while a reply with the same signature was outstanding within the ambiguity window (10 s): some device
    servers and radio links deliver out of order. It is accepted only if it took no longer than replies usually take,
    and if no second, different reply follows within that time.

What is outstanding is kept per address in ``outstanding``; the state belongs to the whole line. A protocol that can
vary the signature of a request (source address, register count) has its place at the arrow REQUEST_SENT: a request is
sent with a signature that is not outstanding, and RESYNCHRONISING is needed only when none is left.
"""

from enum import StrEnum


class LineState(StrEnum):
    """What is known about the line between two events."""

    IDLE = "idle"
    AWAITING_REPLY = "awaiting_reply"
    CONFIRMING = "confirming"
    HOLD_OFF = "hold_off"
    RESYNCHRONISING = "resynchronising"


class LineEvent(StrEnum):
    """What changes the state of a line."""

    REQUEST_SENT = "request_sent"
    RESYNC_SENT = "resync_sent"
    REPLY = "reply"  # proven by the codec, a refusal included
    REPLY_IN_WINDOW = "reply_in_window"  # as REPLY, while one with the same signature is outstanding
    CONFIRMED = "confirmed"
    SECOND_REPLY = "second_reply"  # or a reply that took longer than usual: it belongs to no request
    FAILED = "failed"  # timeout, cancellation, connection lost, line busy
    LINE_IDLE = "line_idle"  # for the whole hold-off time
    REOPENED = "reopened"


TRANSITIONS: dict[LineState, dict[LineEvent, LineState]] = {
    LineState.IDLE: {
        LineEvent.REQUEST_SENT: LineState.AWAITING_REPLY,
        LineEvent.RESYNC_SENT: LineState.RESYNCHRONISING,
        LineEvent.REOPENED: LineState.IDLE,
    },
    LineState.AWAITING_REPLY: {
        LineEvent.REPLY: LineState.IDLE,
        LineEvent.REPLY_IN_WINDOW: LineState.CONFIRMING,
        LineEvent.SECOND_REPLY: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.AWAITING_REPLY,
    },
    LineState.CONFIRMING: {
        LineEvent.CONFIRMED: LineState.IDLE,
        LineEvent.SECOND_REPLY: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.CONFIRMING,
    },
    LineState.HOLD_OFF: {
        LineEvent.LINE_IDLE: LineState.IDLE,
        LineEvent.REOPENED: LineState.HOLD_OFF,
        # An urgent request (``skip_resync``) does not end the hold-off, however it ends itself.
        LineEvent.REQUEST_SENT: LineState.HOLD_OFF,
        LineEvent.REPLY: LineState.HOLD_OFF,
        LineEvent.REPLY_IN_WINDOW: LineState.HOLD_OFF,
        LineEvent.CONFIRMED: LineState.HOLD_OFF,
        LineEvent.SECOND_REPLY: LineState.HOLD_OFF,
        LineEvent.FAILED: LineState.HOLD_OFF,
    },
    LineState.RESYNCHRONISING: {
        LineEvent.REPLY: LineState.IDLE,
        LineEvent.REPLY_IN_WINDOW: LineState.CONFIRMING,
        LineEvent.SECOND_REPLY: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.RESYNCHRONISING,
    },
}
"""A pair of state and event that is not in this table is a bug of the line, never of a device."""
