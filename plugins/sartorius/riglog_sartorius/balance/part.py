"""What the parts of Balance stand on: a name for messages, a dialect, and the guard before every change."""

from contextlib import AbstractContextManager

from msgspec import Struct

from riglog.device import Device, Safety, require_confirmation
from riglog.errors import error_context
from riglog.model import Stamp
from riglog_sartorius.dialect import Dialect


class Amount(Struct, frozen=True):
    """A number the balance gave; ``value`` None: it has none (an absent sensor), ``unit`` None: nobody knows."""

    value: float | None
    unit: str | None
    stamp: Stamp


class Part(Device):
    """Base of the parts. Every method that changes the balance ends with ``wrote``."""

    _dialect: Dialect

    def _confirmed(self, tier: Safety, what: str, confirm: bool) -> None:
        """Refuse a change nobody confirmed, before a byte is sent."""
        require_confirmation(tier, what, confirm, device=self.name)

    def _here(self) -> AbstractContextManager[None]:
        """Errors say which balance they come from."""
        return error_context(device=self.name)
