"""The errors of a transaction: what happened on the line, the likely cause, and the next step."""

from riglog.errors import AmbiguousReplyError, ReplyTimeoutError

HINT_NO_REPLY = "Check power, wiring, address, baud rate and protocol; `riglog discover` lists what responds"
HINT_INVALID_REPLY = "Check baud rate, parity and protocol, and whether another master uses this line"
HINT_TEXT = (
    "What was received is text: check protocol, and look for an instrument in continuous output mode on this line;"
    " `riglog discover` lists what responds"
)
HINT_ECHO = "The request itself was received: set echo = true if the adapter returns it, then check power and wiring"
HINT_NO_ECHO = "Set echo = false, or check the adapter"
HINT_AMBIGUOUS = "Replies are delayed in transit: check device server and adapter, and raise timeout"
HINT_WAITING = "Find out why replies are lost or late; late_reply_limit is how long they can be late on this port"
HINT_BUSY = "Look for a second master, or for an instrument in continuous output mode, on this line"

SHORTEST_TEXT = 8
"""Bytes; a short damaged reply can consist of printable characters by chance."""

AMBIGUOUS_REPLY = "ambiguous reply: "
"""The beginning of these messages, by which their rows are known."""
TOO_LATE = "it took longer than usual while an earlier reply is still outstanding"
SECOND_REPLY = "two different replies to one request"
REFUSAL = "a refusal while an earlier reply is still outstanding"
NOT_CONFIRMED = "the next exchange did not confirm it"


def no_reply(timeout: float, received: bytes, reason: str, **context: object) -> ReplyTimeoutError:
    """Return the error for a request without a valid reply.

    Args:
        reason: the codec's diagnosis of what was received.
    """
    if received:
        message = f"no valid reply within {timeout:.3g} s: {len(received)} bytes received do not match the request"
        if received == context.get("request"):
            return ReplyTimeoutError(message, reason="echo", hint=HINT_ECHO, reply=received, **context)
        request = context.get("request")
        unexpected_text = isinstance(request, bytes) and _is_text(received) and not _is_text(request)
        hint = HINT_TEXT if unexpected_text else HINT_INVALID_REPLY
        return ReplyTimeoutError(message, reason=reason, hint=hint, reply=received, **context)
    return ReplyTimeoutError(f"no reply within {timeout:.3g} s", reason=reason, hint=HINT_NO_REPLY, **context)


def _is_text(data: bytes) -> bool:
    """Return True for some printable characters and ends of lines."""
    return len(data) >= SHORTEST_TEXT and all(0x20 <= byte < 0x7F or byte in b"\r\n" for byte in data)


def no_echo(timeout: float, received: bytes, **context: object) -> ReplyTimeoutError:
    """Return the error for an adapter that was expected to return the request, and did not."""
    message = f"no echo of the request within {timeout:.3g} s"
    return ReplyTimeoutError(message, reason="no_echo", hint=HINT_NO_ECHO, reply=received, **context)


def ambiguous(why: str, **context: object) -> AmbiguousReplyError:
    """Return the error for a reply that may belong to another request."""
    message = f"ambiguous reply: {why}; it cannot be assigned to a request and was discarded"
    return AmbiguousReplyError(message, hint=HINT_AMBIGUOUS, **context)


def flooded(**context: object) -> ReplyTimeoutError:
    """Return the error for a line on which more is received than can be discarded before a request."""
    return ReplyTimeoutError("no request sent: data arrives without end", reason="line_busy", hint=HINT_BUSY, **context)


def waiting(**context: object) -> ReplyTimeoutError:
    """Return the error for a request that was not sent, because its reply could be taken for a late one."""
    message = "no request sent: waiting for late replies"
    return ReplyTimeoutError(message, reason="waiting", hint=HINT_WAITING, **context)


def line_busy(hold_off: float, **context: object) -> ReplyTimeoutError:
    """Return the error for a line that does not become idle."""
    message = f"no request sent: the line is never idle for {hold_off:g} s"
    return ReplyTimeoutError(message, reason="line_busy", hint=HINT_BUSY, **context)
