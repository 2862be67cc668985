"""Nothing is changed by accident: how deep a call reaches into the instrument, and the confirmation it needs."""

from enum import IntEnum

from riglog.errors import ConfirmationError


class Safety(IntEnum):
    """How deep a call reaches into the instrument."""

    READ_ONLY = 0
    STATEFUL = 1  # until power-off or the next key: tare, start of an autocalibration
    PERSISTENT = 2  # kept after power-off: set point, everything in EEPROM
    DANGEROUS = 3  # may make the instrument unreachable or change its scale: address, baud rate, protocol, adjustment


def require_confirmation(tier: Safety, what: str, confirm: bool, **context: object) -> None:
    """Refuse a change of the instrument that was not confirmed, before a byte is sent.

    Raises:
        ConfirmationError: ``confirm`` is not exactly True.
    """
    if tier is not Safety.READ_ONLY and confirm is not True:
        raise ConfirmationError(
            f"{what} changes the instrument ({tier.name.lower()}) and needs confirmation",
            hint="Pass confirm=True, or --confirm on the command line",
            **context,
        )
