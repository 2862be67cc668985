"""A reply with its time stamp."""

from typing import Generic, NamedTuple, TypeVar

from riglog.model import Stamp

R = TypeVar("R")


class TimedReply(NamedTuple, Generic[R]):
    """The reply to one request, or an unsolicited frame, and when it was received."""

    reply: R
    stamp: Stamp
