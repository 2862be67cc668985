"""The commands of SBI and what each may do to the balance. ``ESC Z`` adjusts; it does not zero. Source: section 4.2."""

import re
from enum import Enum

from msgspec import Struct

from riglog.device import Safety
from riglog_sartorius.sbi.lines import Kind, Line

ESC = b"\x1b"
LONGEST = 26

COMMAND = re.compile(rb"\x1b([A-Z?@]|[a-z][^_\x1b]{0,24}_)", re.DOTALL)
"""A capital or sign by itself, or anything from a small letter to the underscore."""


class Reply(Enum):
    """What answers a command; identity lines carry no tag, so each is told from the others by its form."""

    NONE = None
    NET = "net"
    TEXT = "text"
    MODEL = re.compile(r"(?!SerNo|BAC:|Stat)[A-Za-z][A-Za-z0-9 ./()_-]{2,19}")
    SERIAL = re.compile(r"(?:SerNo\.? *)?(\d+)")
    VERSION = re.compile(r"(?:BAC: *)?(\d\d-\d\d-\d\d(?:\.\d\d)?)")


class Command(Struct, frozen=True):
    """``token`` is what follows ESC."""

    token: str
    name: str
    reply: Reply = Reply.NONE
    safety: Safety = Safety.STATEFUL


R, S, D = Safety.READ_ONLY, Safety.STATEFUL, Safety.DANGEROUS

TABLE = (
    Command("P", "print", Reply.NET, R),
    Command("p_", "print_key", Reply.NET, R),
    Command("kP_", "print_key_k", Reply.NET, R),
    Command("x1_", "print_model", Reply.MODEL, R),
    Command("x2_", "print_serial", Reply.SERIAL, R),
    Command("x3_", "print_version", Reply.VERSION, R),
    Command("m0_", "print_ionizer", Reply.TEXT, R),
    Command("w0_", "print_draft_shield", Reply.TEXT, R),
    Command("T", "tare_and_zero"),
    Command("U", "tare"),
    Command("V", "zero"),
    Command("f3_", "zero_key"),
    Command("f4_", "tare_key"),
    Command("K", "filter_very_stable"),
    Command("L", "filter_stable"),
    Command("M", "filter_unstable"),
    Command("N", "filter_very_unstable"),
    Command("O", "lock_keys"),
    Command("R", "unlock_keys"),
    Command("Q", "beep"),
    Command("s3_", "cancel_key"),
    Command("f1_", "start_adjustment_key", safety=D),
    Command("Z", "internal_adjustment", safety=D),
    Command("W", "external_adjustment", safety=D),
    Command("x0_", "internal_adjustment_x0", safety=D),
    Command("?", "load_built_in_weight", safety=D),
    Command("@", "lift_built_in_weight", safety=D),
    Command("S", "restart", safety=D),
    Command("s9_", "old_model_output", safety=D),
)

BY_TOKEN = {command.token: command for command in TABLE}
FILTERS = {1: "K", 2: "L", 3: "M", 4: "N"}


def command(token: str) -> Command:
    """What is known about a command. Nothing known: dangerous, and any line is its reply."""
    return BY_TOKEN.get(token) or Command(token, f"command_{token}", Reply.TEXT, Safety.DANGEROUS)


class SbiRequest(Struct, frozen=True):
    """A command to a balance; most take it without CR LF too, all take it with."""

    token: str
    crlf: bool = True

    @property
    def known(self) -> Command:
        return command(self.token)


def answers_to(request: SbiRequest, line: Line) -> bool:
    """Whether the line can be the reply. A weight never answers an identity command, nor an identity a print."""
    reply = request.known.reply
    if reply is Reply.NONE:
        return False
    if line.kind is Kind.ERROR:
        return True
    if reply is Reply.NET:
        return line.is_net or line.kind is Kind.STATUS
    if line.kind is not Kind.UNRECOGNISED:
        return False
    return reply is Reply.TEXT or reply.value.fullmatch(line.text.strip()) is not None
