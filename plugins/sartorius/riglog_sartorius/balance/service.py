"""Service: adjustment, and commands by their bare name for those who know the manual. Source: sections 3.10, 4.2, 7."""

from riglog.device import Safety
from riglog_sartorius.balance.part import Part


class Service(Part):
    """What an expert needs once a year."""

    async def internal_adjust(self, *, confirm: bool = False) -> None:
        """Start the adjustment with the built-in weight. DANGEROUS: the balance moves its weight and changes its scale.

        Returns when it has started, not when it is finished; until then status lines or off-scale readings come.

        Raises:
            NotApplicableError: the state does not allow it now (xBPI).
        """
        self._confirmed(Safety.DANGEROUS, "internal_adjust", confirm)
        await self._change("internal_adjust", self._dialect.adjust())

    async def raw(self, command: int | str, args: bytes = b"", *, confirm: bool = False) -> bytes | None:
        """Send a command as the manual writes it: an xBPI opcode with argument bytes, or an SBI token without ESC.

        Its tier is that of the command; one nobody has explained is DANGEROUS.

        Returns:
            The reply as it came, frame or line; None for SBI commands that have none.
        """
        tier, shown = self._dialect.safety_of(command, args)
        self._confirmed(tier, f"raw {shown}", confirm)
        with self._here():
            reply = await self._dialect.raw(command, args)
        if tier is not Safety.READ_ONLY:
            self.wrote(f"raw {shown}")
        return reply
