"""What the parts of Balance stand on: a name for messages, a dialect, and the guard before every change."""

from collections.abc import Awaitable
from contextlib import AbstractContextManager

from msgspec import Struct

from riglog.device import Device, Safety, require_confirmation
from riglog.errors import ReplyTimeoutError, error_context
from riglog.model import Stamp
from riglog_sartorius.dialect import Dialect
from riglog_sartorius.errors import NotSettledError


class Amount(Struct, frozen=True):
    """A number the balance gave; ``value`` None: it has none (an absent sensor), ``unit`` None: nobody knows."""

    value: float | None
    unit: str | None
    stamp: Stamp


class Part(Device):
    """Base of the parts."""

    _dialect: Dialect

    def _confirmed(self, tier: Safety, what: str, confirm: bool) -> None:
        """Refuse a change nobody confirmed, before a byte is sent."""
        require_confirmation(tier, what, confirm, device=self.name)

    async def _change(self, what: str, doing: Awaitable[object]) -> None:
        """Change something and tell of it; a change nobody acknowledged may have happened all the same.

        Raises:
            ReplyTimeoutError, NotSettledError: sent, and no sign that it was done.
        """
        try:
            with self._here():
                await doing
        except (ReplyTimeoutError, NotSettledError) as error:
            error.hint = "it may have been carried out: look at the balance before you repeat it"
            self.wrote(f"{what} (not acknowledged)")
            raise
        self.wrote(what)

    def _here(self) -> AbstractContextManager[None]:
        """Errors say which balance they come from."""
        return error_context(device=self.name)
