"""A reading out of an SBI line. Pure. Source: sections 4.3, 4.4, 6."""

from riglog.model import OK, Stamp, Status
from riglog_sartorius.errors import sbi_error
from riglog_sartorius.reading import Reading
from riglog_sartorius.sbi.lines import OFF_SCALE, Kind, Line

WHY_NOT = {
    "blank": "the display is blank",
    "adjusting": "an adjustment is running",
    "not_ready": "the final reading is not reached yet",
    "standby": "the balance is in standby",
}


def reading_of(line: Line, stamp: Stamp) -> Reading:
    """A weight line or a status line as a reading. Without stability SBI leaves the unit away, so it is None.

    Raises:
        SbiError: the line is an error line.
    """
    if line.kind is Kind.WEIGHT:
        return Reading(
            value=line.value,
            unit=line.unit,
            stable=line.stable,
            stamp=stamp,
            decimals=line.decimals,
            sign=line.sign,
            overload=False,
            underload=False,
            unverified_digit=not line.digits_verified,
            status=OK,
            raw=line.raw,
        )
    word = line.status if line.code is None else OFF_SCALE.get(line.code)  # type: ignore[arg-type]
    if word is None:
        raise sbi_error(line.code if line.code is not None else "?")
    out = word in ("overload", "underload")
    return Reading(
        value=None,
        unit=None,
        stable=False,
        stamp=stamp,
        overload=word == "overload",
        underload=word == "underload",
        adjusting=word == "adjusting",
        why=WHY_NOT.get(word, word),
        status=Status.OUT_OF_RANGE if out else Status.MISSING,
        raw=line.raw,
    )
