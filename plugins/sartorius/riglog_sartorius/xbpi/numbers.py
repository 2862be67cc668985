"""Numbers and strings as xBPI writes them. Pure. Source: section 3.6."""

from fractions import Fraction
from math import ldexp

OFF_SCALE = bytes.fromhex("7fffffffff")
"""No numeric value: off scale, or a sensor that is not fitted."""

_BIAS, _MANTISSA_BITS = 127, 31


def decode_float40(data: bytes) -> float | None:
    """A 40-bit float: an IEEE single with 8 more bits of mantissa. None if it is no number."""
    bits = int.from_bytes(data)
    exponent = bits >> _MANTISSA_BITS & 0xFF
    mantissa = bits & (1 << _MANTISSA_BITS) - 1
    if exponent == 0xFF:
        return None
    if exponent:
        mantissa |= 1 << _MANTISSA_BITS
    value = ldexp(mantissa, (exponent or 1) - _BIAS - _MANTISSA_BITS)
    return -value if bits >> 39 and value else value


def encode_float40(value: Fraction | int) -> bytes:
    """The 40-bit pattern of an exact value, cut off toward zero as the balance does."""
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
    """Packed decimal digits as text: ``00 31 80 11 65`` is ``0031801165``."""
    return data.hex()


def decode_text(data: bytes) -> str:
    """ASCII, padded on the right with zeros or spaces."""
    return data.rstrip(b"\x00 ").decode("ascii", "replace")
