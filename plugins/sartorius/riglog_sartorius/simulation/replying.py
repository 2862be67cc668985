"""How the simulated xBPI balance answers: items, or a refusal. Source: sections 3.4, 3.5."""

from collections.abc import Callable

from riglog_sartorius.xbpi.items import ACK, U8, Item, parse_items

TimedReply = list[Item]
Command = Callable[[bytes, float], TimedReply]
"""Argument bytes and the time."""

OUT_OF_RANGE, UNKNOWN, NOT_NOW, BAD_ARGUMENTS, BAD_INDEX = 0x03, 0x04, 0x06, 0x07, 0x10
DONE = [Item(ACK, b"")]


class Refusal(Exception):  # noqa: N818 - a reply, not a failure
    """The balance answers with an error code."""

    def __init__(self, code: int) -> None:
        self.code = code


def u8_arguments(args: bytes, count: int) -> tuple[int, ...]:
    """So many ``21 vv`` items; anything else is a wrong argument."""
    items, rest = parse_items(args)
    if rest or len(items) != count or any(item.type != U8 for item in items):
        raise Refusal(BAD_ARGUMENTS)
    return tuple(item.number for item in items)


def more_digits(args: bytes) -> int:
    """The argument of the high-resolution commands."""
    (more,) = u8_arguments(args, 1)
    if more not in (1, 2):
        raise Refusal(OUT_OF_RANGE)
    return more


def constant(*items: Item) -> Command:
    """A command that says the same whatever it is given."""
    return lambda args, now: list(items)


def refusing(code: int) -> Command:
    """A command that is known and never possible."""

    def refuse(args: bytes, now: float) -> TimedReply:
        raise Refusal(code)

    return refuse
