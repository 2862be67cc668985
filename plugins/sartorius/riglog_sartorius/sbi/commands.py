"""The commands of SBI and what each may change in the balance. ``ESC Z`` adjusts; it does not zero. Source: 4.2."""

import re
from enum import Enum

from msgspec import Struct

from riglog.device import Safety
from riglog_sartorius.config import Quantity
from riglog_sartorius.sbi.lines import Kind, Line

ESC = b"\x1b"
MAX_TOKEN = 26

COMMAND = re.compile(rb"\x1b([A-Z?@]|[a-z][^_\x1b]{0,24}_)", re.DOTALL)
"""A single capital or sign, or anything from a small letter to the underscore."""


class Reply(Enum):
    """The reply to a command. Identity lines have no tag: each is recognised by its form."""

    NONE = None
    NET = "net"
    TEXT = "text"
    MODEL = re.compile(r"(?:Model +)?((?!SerNo|BAC:|Stat|Model)[A-Za-z][A-Za-z0-9 ./()_-]{2,19})")
    SERIAL = re.compile(r"(?:SerNo\.? *)?(\d+)")
    VERSION = re.compile(r"(?:BAC: *)?(\d\d-\d\d-\d\d(?:\.\d\d)?)")


class Command(Struct, frozen=True):
    """``token`` is what follows ESC."""

    token: str
    name: str
    reply: Reply = Reply.NONE
    safety: Safety = Safety.STATEFUL


R, D = Safety.READ_ONLY, Safety.DANGEROUS

# The commands that the client sends of its own.
PRINT = "P"
PRINT_MODEL = "x1_"
PRINT_SERIAL = "x2_"
PRINT_VERSION = "x3_"
TARE_AND_ZERO = "T"
ZERO = "V"
INTERNAL_ADJUSTMENT = "Z"
FILTERS = {1: "K", 2: "L", 3: "M", 4: "N"}

TABLE = (
    Command(PRINT, "print", Reply.NET, R),
    Command("p_", "print_key", Reply.NET, R),
    Command("kP_", "print_key_k", Reply.NET, R),
    Command(PRINT_MODEL, "print_model", Reply.MODEL, R),
    Command(PRINT_SERIAL, "print_serial", Reply.SERIAL, R),
    Command(PRINT_VERSION, "print_version", Reply.VERSION, R),
    Command("m0_", "print_ionizer", Reply.TEXT, R),
    Command("w0_", "print_draft_shield", Reply.TEXT, R),
    Command(TARE_AND_ZERO, "tare_and_zero"),
    Command("U", "tare"),
    Command(ZERO, "zero"),
    Command("f3_", "zero_key"),
    Command("f4_", "tare_key"),
    Command(FILTERS[1], "filter_very_stable"),
    Command(FILTERS[2], "filter_stable"),
    Command(FILTERS[3], "filter_unstable"),
    Command(FILTERS[4], "filter_very_unstable"),
    Command("O", "lock_keys"),
    Command("R", "unlock_keys"),
    Command("Q", "beep"),
    Command("s3_", "cancel_key"),
    Command("f1_", "start_adjustment_key", safety=D),
    Command(INTERNAL_ADJUSTMENT, "internal_adjustment", safety=D),
    Command("W", "external_adjustment", safety=D),
    Command("x0_", "internal_adjustment_x0", safety=D),
    Command("?", "load_built_in_weight", safety=D),
    Command("@", "lift_built_in_weight", safety=D),
    Command("S", "restart", safety=D),
    Command("s9_", "old_model_output", safety=D),
)

BY_TOKEN = {command.token: command for command in TABLE}


def command(token: str) -> Command:
    """Return a command. An undocumented one is dangerous, and any line is its reply."""
    return BY_TOKEN.get(token) or Command(token, f"command_{token}", Reply.TEXT, Safety.DANGEROUS)


class SbiRequest(Struct, frozen=True):
    """A command to a balance. All models accept CR LF at its end, most do not need it.

    Attributes:
        quantity: which line of a print is the reply, by its label.
        alone: the balance is known to print one line; then a line with another label is the reply too.
    """

    token: str
    crlf: bool = True
    quantity: Quantity = Quantity.NET
    alone: bool = False

    @property
    def known(self) -> Command:
        return command(self.token)


def is_reply_to(request: SbiRequest, line: Line) -> bool:
    """Return True if the line can be the reply: a weight is never an identity, nor an identity a weight."""
    reply = request.known.reply
    if reply is Reply.NONE:
        return False
    if line.kind is Kind.ERROR:
        return True
    if reply is Reply.NET:
        return line.quantity is request.quantity or (line.kind is Kind.STATUS and not line.is_empty)
    if line.kind is not Kind.UNRECOGNISED:
        return False
    return reply is Reply.TEXT or reply.value.fullmatch(line.text.strip()) is not None


def is_instead_of_reply(request: SbiRequest, line: Line) -> bool:
    """Return True for what a print consists of if it has no line with the label asked for: it is the reply then."""
    return request.known.reply is Reply.NET and (line.is_empty or line.quantity is not None)


def identity_text(token: str, line: Line) -> str | None:
    """Return what an identity line contains after its label; None if it is not the reply to ``token``."""
    form = command(token).reply.value
    match = form.fullmatch(line.text.strip())
    return str(match[match.re.groups]) if match else None
