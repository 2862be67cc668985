"""What is known of an instrument beside its rows: who made it, its certificates, and how its values are corrected.

A correction is a list of pieces: each has a range of raw values and a polynomial. A straight line, a table with linear
interpolation and a polynomial are all of this kind, so that Python and SQL compute the same.
"""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from msgspec import Struct

from riglog.model.stamp import utc

MOST_COEFFICIENTS = 9
NO_CALIBRATION, NO_VALUE, OTHER_UNIT = "no calibration", "no value", "other unit"
OUTSIDE, NOT_FINITE = "outside the calibrated range", "not finite"
"""Why a row has no corrected value, or one without an uncertainty."""


class Piece(Struct, frozen=True, array_like=True):
    """A polynomial in ``raw - origin``, for raw values greater than ``above`` up to ``up_to``; None: no limit.

    ``extended``: the range is outside that of the calibration.
    """

    above: float | None
    up_to: float | None
    origin: float
    extended: bool
    coefficients: tuple[float, ...]

    def covers(self, raw: float) -> bool:
        return (self.above is None or raw > self.above) and (self.up_to is None or raw <= self.up_to)

    def at(self, raw: float) -> float:
        distance = raw - self.origin
        result = 0.0
        for coefficient in reversed(self.coefficients):
            result = coefficient + distance * result
        return result


class Uncertainty(Struct, frozen=True, omit_defaults=True):
    """The expanded uncertainty: ``absolute + relative * |corrected value|``, or ``pieces`` over the raw value."""

    absolute: float = 0.0
    relative: float = 0.0
    pieces: tuple[Piece, ...] = ()

    def at(self, raw: float, corrected: float) -> float | None:
        if not self.pieces:
            return self.absolute + self.relative * abs(corrected)
        piece = piece_of(self.pieces, raw)
        return None if piece is None else piece.at(raw)


class Corrected(Struct, frozen=True):
    """What a calibration makes of one raw value. ``remark``: why there is no value, or no uncertainty."""

    value: float | None = None
    uncertainty: float | None = None
    remark: str | None = None


class Calibration(Struct, frozen=True, kw_only=True):
    """How the values of one channel of a device are corrected.

    Attributes:
        unit: that of raw and corrected values; empty: values without a unit.
        form: ``linear``, ``table`` or ``polynomial``.
        stated: as the rig file or the certificate states it.
        uncertainty: None: it is not stated.
        coverage_factor: the factor k of the expanded uncertainty.
    """

    parameter: str
    instance: int = 1
    unit: str
    form: str
    stated: dict[str, Any]
    pieces: tuple[Piece, ...]
    uncertainty: Uncertainty | None = None
    coverage_factor: float | None = None

    def correct(self, raw: float | None, unit: str | None) -> Corrected:
        """Return the corrected value of a row; never one in another unit, or from outside the calibrated range."""
        if raw is None:
            return Corrected(remark=NO_VALUE)
        if (unit or "") != self.unit:
            return Corrected(remark=OTHER_UNIT)
        piece = piece_of(self.pieces, raw)
        if piece is None:
            return Corrected(remark=OUTSIDE)
        value = piece.at(raw)
        if not math.isfinite(value):
            return Corrected(remark=NOT_FINITE)
        if piece.extended or self.uncertainty is None:
            return Corrected(value, None, OUTSIDE if piece.extended else None)
        uncertainty = self.uncertainty.at(raw, value)
        return Corrected(value, uncertainty if uncertainty is None or math.isfinite(uncertainty) else None)


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate. Dates are ISO 8601, both inclusive, in UTC; ``content`` is that of ``file``."""

    number: str
    issued_on: str | None = None
    valid_until: str | None = None
    file: str | None = None
    sha256: bytes | None = None
    content: bytes | None = None
    calibrations: tuple[Calibration, ...] = ()

    def is_valid(self, day: str) -> bool | None:
        """Return whether it was valid on a day (ISO 8601, UTC); None: no end is stated, and it had been issued."""
        if self.issued_on is not None and day < self.issued_on:
            return False
        return None if self.valid_until is None else day <= self.valid_until

    def is_overdue(self, at_ns: int) -> bool:
        """Return whether its end has passed."""
        return self.valid_until is not None and utc(at_ns).date().isoformat() > self.valid_until

    def days_left(self, at_ns: int) -> int | None:
        """Return the number of days until its end, with that of today; None: no end is stated."""
        if self.valid_until is None:
            return None
        return (date.fromisoformat(self.valid_until) + timedelta(days=1) - utc(at_ns).date()).days


class Equipment(Struct, frozen=True, kw_only=True):
    """The instrument of a device, as the rig file states it."""

    device: str
    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None
    certificates: tuple[Certificate, ...] = ()


def piece_of(pieces: Sequence[Piece], raw: float) -> Piece | None:
    """Return the piece that a raw value is in; None: it is outside all of them."""
    return next((piece for piece in pieces if piece.covers(raw)), None)


def polynomial(coefficients: Sequence[float], limits: tuple[float, float] | None, *, extend: bool) -> tuple[Piece, ...]:
    """Return the pieces of ``c0 + c1 raw + c2 raw² …``, in these limits (both inclusive)."""
    found = tuple(coefficients)
    if limits is None:
        return (Piece(None, None, 0.0, False, found),)
    low, high = _below(limits[0]), limits[1]
    within = Piece(low, high, 0.0, False, found)
    if not extend:
        return (within,)
    return (Piece(None, low, 0.0, True, found), within, Piece(high, None, 0.0, True, found))


def interpolation(points: Sequence[tuple[float, float]], *, extend: bool) -> tuple[Piece, ...]:
    """Return the pieces of a table of raw values, ascending, and what each stands for.

    ``extend``: outside the table, the correction (what is added to a raw value) is that of the nearest point.
    """
    pieces = []
    above = _below(points[0][0])
    for (x, y), (next_x, next_y) in pairwise(points):
        pieces.append(Piece(above, next_x, x, False, (y, (next_y - y) / (next_x - x))))
        above = next_x
    if not pieces:
        pieces = [Piece(above, points[0][0], points[0][0], False, (points[0][1],))]
    if extend:
        (first_x, first_y), (last_x, last_y) = points[0], points[-1]
        pieces.insert(0, Piece(None, _below(first_x), first_x, True, (first_y, 1.0)))
        pieces.append(Piece(last_x, None, last_x, True, (last_y, 1.0)))
    return tuple(pieces)


def _below(number: float) -> float:
    """Return the greatest number below, so that a range includes its beginning."""
    return math.nextafter(number, -math.inf)
