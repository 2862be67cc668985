"""The states of a line, and which event leads from one to another. Pure data; ``line`` acts on it.

Theory of operation
===================

A serial line has no transactions. A reply may arrive after its timeout, when the next request is already under way, and
looks like the reply to that one. The client therefore knows at any time in which state the line is, and sends a request
only in a state in which nothing that may still arrive can be taken for its reply.

::

                  REQUEST_SENT, FREE_REQUEST_SENT         REPLY
        ┌──────► IDLE ───────────────► AWAITING_REPLY ──────────────────► IDLE
        │        │  │                        │                REPLY_IN_WINDOW │
        │        │  │ RESYNC_SENT            │ FAILED                         ▼
        │        │  ▼            REPLY       ▼          FAILED           CONFIRMING ──► IDLE
        │        │ RESYNCHRONISING ► IDLE   HOLD_OFF ◄───────────────────────┘    CONFIRMED, SECOND_REPLY
        │        │  └───────────────────►  │ │ │ FREE_REQUEST_SENT
        │        │         FAILED          │ │ └──────────────────► AWAITING_REPLY
        │        │ NONE_FREE               │ │ NONE_FREE
        │        └───────────► WAITING ◄───│─┘
        │            FREED ◄────┘ └──────► │ FAILED
        └──────────────────────────────────┘
                      LINE_IDLE

IDLE
    The last transaction ended with a reply, or the line has been idle for the hold-off time since. What is in the
    receive buffer is older than the next request and is discarded before it is sent.
AWAITING_REPLY
    A request was sent. A frame is its reply only if the codec proves it, and if it is not earlier than the line can
    carry request and reply. A timeout, a cancellation and a lost connection all mean the same: the reply is
    *outstanding*, it may still arrive, until the late-reply limit has passed.
HOLD_OFF
    Nothing is sent until the line has been idle for the hold-off time (``Codec.hold_off``), except a request in a
    variant whose signature is free. Late bytes are discarded and start the hold-off again.
RESYNCHRONISING
    The addressed device has outstanding replies. A resync request is under way: a harmless read whose reply cannot be
    confused with any of them (``Codec.resync_request``). Devices respond in order, so nothing older can follow its
    reply. Protocols with a transaction number take a new number instead and never enter this state.
CONFIRMING
    A reply came while a reply with the same signature was outstanding, or within the late-reply limit after a copy, or
    on a strict port. It must not have taken longer than replies usually take, and it counts only if the next exchange,
    which is a read with another signature, brings no other reply like it. Without such a read no other reply may
    follow within the usual time.
WAITING
    Every variant of the request has an outstanding reply, and order proves nothing: the port is strict, or a reply has
    been overtaken by a later one in the last ten minutes. Nothing is sent until one has arrived or its limit is over.

Signatures come first. Where the codec has *variants* of a request (``Codec.variants``), successive requests to one
address have different signatures, so that a copy of the last reply does not look like the next one. After a failure the
next request goes out at once, in a variant whose signature is not outstanding (FREE_REQUEST_SENT). Only if there is
none, what a later reply has passed is used again, with confirmation; if nothing was passed, the line goes through
hold-off and resync request, as it always does for codecs without variants.

A refusal contains nothing of its request: a read that is refused is sent once more, and the refusal counts only if it
is repeated while no earlier reply is outstanding that no later one has passed.

What is outstanding is kept per address in ``outstanding``; the state belongs to the whole line. ``evidence`` keeps what
has been seen of copies and changed order, ``variants`` which variant is next.
"""

from enum import StrEnum


class LineState(StrEnum):
    """What is known about the line between two events."""

    IDLE = "idle"
    AWAITING_REPLY = "awaiting_reply"
    CONFIRMING = "confirming"
    HOLD_OFF = "hold_off"
    RESYNCHRONISING = "resynchronising"
    WAITING = "waiting"


class LineEvent(StrEnum):
    """What changes the state of a line."""

    REQUEST_SENT = "request_sent"
    FREE_REQUEST_SENT = "free_request_sent"  # in a variant whose signature is free, or was passed
    RESYNC_SENT = "resync_sent"
    CONFIRMATION_SENT = "confirmation_sent"
    REPLY = "reply"  # proven by the codec, a refusal included
    REPLY_IN_WINDOW = "reply_in_window"  # the reply that was received needs confirmation
    CONFIRMED = "confirmed"
    SECOND_REPLY = "second_reply"
    NONE_FREE = "none_free"
    FREED = "freed"  # a late reply has arrived, or cannot arrive any more
    FAILED = "failed"  # timeout, cancellation, connection lost, still none free
    LINE_IDLE = "line_idle"  # for the whole hold-off time
    REOPENED = "reopened"


TRANSITIONS: dict[LineState, dict[LineEvent, LineState]] = {
    LineState.IDLE: {
        LineEvent.REQUEST_SENT: LineState.AWAITING_REPLY,
        LineEvent.FREE_REQUEST_SENT: LineState.AWAITING_REPLY,
        LineEvent.RESYNC_SENT: LineState.RESYNCHRONISING,
        LineEvent.REPLY_IN_WINDOW: LineState.CONFIRMING,
        LineEvent.NONE_FREE: LineState.WAITING,
        LineEvent.REOPENED: LineState.IDLE,
    },
    LineState.AWAITING_REPLY: {
        LineEvent.REPLY: LineState.IDLE,
        LineEvent.SECOND_REPLY: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.AWAITING_REPLY,
    },
    LineState.CONFIRMING: {
        LineEvent.CONFIRMATION_SENT: LineState.CONFIRMING,
        LineEvent.REPLY: LineState.CONFIRMING,
        LineEvent.CONFIRMED: LineState.IDLE,
        LineEvent.SECOND_REPLY: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.CONFIRMING,
    },
    LineState.HOLD_OFF: {
        LineEvent.LINE_IDLE: LineState.IDLE,
        LineEvent.FREE_REQUEST_SENT: LineState.AWAITING_REPLY,
        LineEvent.NONE_FREE: LineState.WAITING,
        LineEvent.REOPENED: LineState.HOLD_OFF,
        # An urgent request (``skip_resync``) does not end the hold-off, however it ends itself.
        LineEvent.REQUEST_SENT: LineState.HOLD_OFF,
        LineEvent.REPLY: LineState.HOLD_OFF,
        LineEvent.SECOND_REPLY: LineState.HOLD_OFF,
        LineEvent.FAILED: LineState.HOLD_OFF,
    },
    LineState.RESYNCHRONISING: {
        LineEvent.REPLY: LineState.IDLE,
        LineEvent.SECOND_REPLY: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.RESYNCHRONISING,
    },
    LineState.WAITING: {
        LineEvent.FREED: LineState.IDLE,
        LineEvent.FAILED: LineState.HOLD_OFF,
        LineEvent.REOPENED: LineState.WAITING,
    },
}
"""A pair of state and event that is not in this table is a bug of the line, never of a device."""
