"""One thing that was looked at, its state, and the command that mends it."""

from typing import Literal

from msgspec import Struct

State = Literal["ok", "advice", "problem"]


class Finding(Struct, frozen=True):
    """``advice``: recording works, and could be better or safer. ``problem``: a recording would fail, or lose data."""

    check: str
    state: State
    finding: str
    command: str | None = None
