"""Nothing is changed by accident: what a call may do to an instrument, and the word it needs."""

from enum import IntEnum

from riglog.errors import ConfirmationError


class Safety(IntEnum):
    """How deep a call reaches into the instrument."""

    READ_ONLY = 0
    STATEFUL = 1  # until power-off or the next key: tare, start calibration
    PERSISTENT = 2  # kept over power-off: set point, anything in EEPROM
    DANGEROUS = 3  # may lose the instrument: address, baud rate, protocol, adjustment


def require_confirmation(tier: Safety, what: str, confirm: bool, **context: object) -> None:
    """Refuse, before a byte is sent, what changes the instrument and was not confirmed.

    Raises:
        ConfirmationError: ``confirm`` is not exactly True.
    """
    if tier is not Safety.READ_ONLY and confirm is not True:
        raise ConfirmationError(
            f"{what}: this changes the instrument ({tier.name.lower()}) and was not confirmed",
            hint="if you mean it, pass confirm=True, or --confirm on the command line",
            **context,
        )
