"""Weighing: reading weights and state, tare and zero. Source: sections 3.7 to 3.10, 4.2."""

from riglog.device import Safety
from riglog.errors import ConfigError
from riglog_sartorius.balance.part import Part
from riglog_sartorius.dialect import Quantity, State
from riglog_sartorius.reading import Reading


class Weighing(Part):
    """What a balance is for."""

    async def read_net(self, hires: int = 0) -> Reading:
        """The net weight, in the unit the balance shows.

        Args:
            hires: 1 or 2 more decimals than the display has; xBPI only.
        """
        return await self._weight(Quantity.NET, hires)

    async def read_gross(self, hires: int = 0) -> Reading:
        """Net plus tare; xBPI only."""
        return await self._weight(Quantity.GROSS, hires)

    async def read_tare_value(self, hires: int = 0) -> Reading:
        """The stored tare, a memory and not a measurement; xBPI only."""
        return await self._weight(Quantity.TARE, hires)

    async def status(self) -> State:
        """Stability, overload, underload, and what else the balance tells of itself."""
        with self._here():
            return await self._dialect.state()

    async def tare(self, *, confirm: bool = False) -> None:
        """Tare, as the tare key does: zero or tare, whichever applies. STATEFUL.

        Over SBI the command gives no sign of success, so the weight is read until it is stable near zero; with
        automatic output nobody may ask, so the lines that follow must tell.

        Raises:
            NotSettledError: sent, and no stable value near zero came.
        """
        self._confirmed(Safety.STATEFUL, "tare", confirm)
        await self._change("tare", self._dialect.tare())

    async def zero(self, *, confirm: bool = False) -> None:
        """Set zero. STATEFUL. Never what adjusts the balance: over SBI this is ``ESC V``, not ``ESC Z``.

        xBPI balances have no value for about two seconds afterwards.

        Raises:
            NotSettledError: sent, and no stable value near zero came.
        """
        self._confirmed(Safety.STATEFUL, "zero", confirm)
        await self._change("zero", self._dialect.zero())

    async def _weight(self, quantity: Quantity, hires: int) -> Reading:
        with self._here():
            if hires not in (0, 1, 2):
                raise ConfigError(f"hires is 0, 1 or 2 more decimals, not {hires}")
            return await self._dialect.read(quantity, hires=hires)
