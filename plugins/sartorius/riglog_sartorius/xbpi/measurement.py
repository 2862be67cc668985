"""Numbers, weights and status blocks of xBPI, and the readings made of them. Pure. Source: sections 3.6 to 3.9, 3.11.3.

A weight and a status block have the same type (48) and the same length (8 bytes).
"""

import struct
from fractions import Fraction
from math import ldexp

from msgspec import Struct

from riglog.model import OK, Stamp, Status
from riglog_sartorius.samples import CalRecord, Reading
from riglog_sartorius.units import unit_of_id

OFF_SCALE = bytes.fromhex("7fffffffff")
"""The number of an off-scale weight, and of a sensor that is not fitted."""

SIGNS = {0x00: "zero", 0x40: "positive", 0x80: "negative"}
ZEROING = "no value: zero-point measurement in progress"
OFF_SCALE_REASON = "out of range: overload, underload, or zero-point measurement in progress"

MAX_SCALED = 10**10
"""No balance divides its range into so many steps, even at high resolution."""

_BIAS, _MANTISSA_BITS = 127, 31


def decode_float40(data: bytes) -> float | None:
    """Decode a 40-bit float: an IEEE single with 8 more mantissa bits. None: not a number."""
    bits = int.from_bytes(data)
    exponent, mantissa = _parts(bits)
    if exponent == 0xFF:
        return None
    value = ldexp(mantissa, exponent - _BIAS - _MANTISSA_BITS)
    return -value if bits >> 39 and value else value


def encode_float40(value: Fraction | int) -> bytes:
    """Encode an exact value; like a balance, truncate toward zero."""
    size = abs(Fraction(value))
    if not size:
        return bytes(5)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size < Fraction(2) ** exponent:
        exponent -= 1
    mantissa = int(size / Fraction(2) ** exponent * (1 << _MANTISSA_BITS)) - (1 << _MANTISSA_BITS)
    sign = 1 if value < 0 else 0
    return (sign << 39 | exponent + _BIAS << _MANTISSA_BITS | mantissa).to_bytes(5)


def decode_bcd(data: bytes) -> str:
    """Return packed decimal digits as text: ``00 31 80 11 65`` is ``0031801165``."""
    return data.hex()


def decode_text(data: bytes) -> str:
    """Return ASCII text without its padding of zero bytes or spaces."""
    return data.rstrip(b"\x00 ").decode("ascii", "replace")


class Measurement(Struct, frozen=True):
    """``value`` is None if off scale; the frame does not distinguish overload from underload."""

    value: float | None
    decimals: int
    unit: str | None
    unit_id: int
    sign: str | None
    stable: bool
    flags: int

    @property
    def off_scale(self) -> bool:
        return self.value is None


class StatusBlock(Struct, frozen=True):
    """State of the balance. None: not reported by this family."""

    aux: int
    state: int
    status: int
    sequence: int
    stable: bool
    overload: bool | None
    underload: bool | None
    adc_trusted: bool | None
    isocal_due: bool | None


def parse_measurement(data: bytes) -> Measurement:
    """Decode all 40 bits, then round to the decimals of the frame: the balance truncates instead of rounding."""
    value = decode_float40(data[:5])
    decimals, unit_id = data[5] >> 4, data[6] & 0x3F
    return Measurement(
        value=None if value is None else round(value, decimals) + 0.0,
        decimals=decimals,
        unit=unit_of_id(unit_id),
        unit_id=unit_id,
        sign=SIGNS.get(data[6] & 0xC0),
        stable=bool(data[7] & 0x40),
        flags=data[7],
    )


def weight_facts(data: bytes) -> dict[str, object]:
    """Return what a weight states besides the number and its stability; four bits of it have no known meaning."""
    return {"decimals": data[5] >> 4, "spare": data[5] & 0x0F, "unit": data[6] & 0x3F, "kind": data[7] & 0x0F}


def weight_fault(data: bytes, *, on_grid: bool = True) -> str | None:
    """Return what in a weight contradicts its number; None: nothing does.

    In all captures of real balances the sign field agrees with the number, and the number is one that the display can
    show: a decimal of that many places, truncated or rounded to 40 bits. Most damage that the checksum lets through
    is detected here.

    Args:
        on_grid: compare the number with the display, of which a high-resolution reply is not proven.
    """
    value = decode_float40(data[:5])
    if value is None:
        return None
    sign = 0x00 if not value else 0x40 if value > 0 else 0x80
    if data[6] & 0xC0 != sign:
        return "sign"
    return "decimals" if on_grid and not _is_displayed(abs(value), data) else None


def _is_displayed(size: float, data: bytes) -> bool:
    """Return True if the number is what remains in 40 bits of a decimal with the places that the frame states.

    With a last byte of zero it may also be what remains in the 32 bits before it. The calculation is exact: the number
    is ``mantissa / 2**shift``.
    """
    exponent, mantissa = _parts(int.from_bytes(data[:5]))
    shift = _BIAS + _MANTISSA_BITS - exponent
    tens = int(10 ** (data[5] >> 4))
    scaled = round(size * tens)
    if shift < 0 or scaled >= MAX_SCALED:
        return False
    lost = (scaled << shift) - mantissa * tens
    step = tens if data[4] else tens << 8
    return -step <= 2 * lost and lost < step


def _parts(bits: int) -> tuple[int, int]:
    """Return exponent and mantissa of a 40-bit float, the implied bit included."""
    exponent, mantissa = bits >> _MANTISSA_BITS & 0xFF, bits & (1 << _MANTISSA_BITS) - 1
    return (exponent, mantissa | 1 << _MANTISSA_BITS) if exponent else (1, mantissa)


def is_status_block(data: bytes) -> bool:
    """Return True for a status block: registers 31 and 33 are constants in it that no observed measurement contains."""
    return data[1:3] == b"\x00\x81" and data[5:7] == b"\x10\x00"


def parse_status_block(data: bytes) -> StatusBlock:
    """Decode a status block. The overload, converter and isoCAL bits are defined only if bit 7 of the state is set."""
    state, status = data[3], data[4]
    reported = bool(state & 0x80)
    return StatusBlock(
        aux=data[0],
        state=state,
        status=status,
        sequence=data[7],
        stable=bool(state & 0x08),
        overload=state == 0x82 if reported else None,
        underload=state == 0x84 if reported else None,
        adc_trusted=bool(status & 0x08) if reported else None,
        isocal_due=bool(status & 0x10) if reported else None,
    )


def parse_cal_record(data: bytes, stamp: Stamp) -> CalRecord:
    """Decode the 17 bytes of an adjustment record: temperature, kind of adjustment, three counters."""
    (temperature,) = struct.unpack(">f", data[:4])
    return CalRecord(temperature if any(data[:4]) else None, data[4:13], (data[13], data[14], data[15]), stamp)


def weight_reading(weight: Measurement, block: StatusBlock | None, stamp: Stamp, raw: bytes) -> Reading:
    """Return a weight as a reading. Without a status block, overload and underload are unknown."""
    status, reason = _status_and_reason(weight, block)
    return Reading(
        value=weight.value,
        unit=weight.unit,
        stable=weight.stable and weight.value is not None,
        stamp=stamp,
        decimals=weight.decimals,
        sign=weight.sign,
        overload=block.overload if block else None,
        underload=block.underload if block else None,
        adc_trusted=block.adc_trusted if block else None,
        isocal_due=block.isocal_due if block else None,
        sequence=block.sequence if block else None,
        reason=reason,
        status=status,
        raw=raw,
    )


def _status_and_reason(weight: Measurement, block: StatusBlock | None) -> tuple[Status, str | None]:
    """Off scale alone does not mean overload: after a zero command there is no value for about two seconds either."""
    if weight.value is not None:
        return (Status.SUSPECT if block and block.adc_trusted is False else OK), None
    if block and block.overload:
        return Status.OUT_OF_RANGE, "overload"
    if block and block.underload:
        return Status.OUT_OF_RANGE, "underload"
    if block and block.overload is False:
        return Status.MISSING, ZEROING
    return Status.OUT_OF_RANGE, OFF_SCALE_REASON
