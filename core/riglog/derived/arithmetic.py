"""The arithmetic of formulas: double precision, and an exception wherever there is no finite result."""

import math
from collections.abc import Callable, Mapping

MOST_EXPONENT = 100.0
ARITHMETIC_ERRORS = (ArithmeticError, ValueError)
"""What a calculation without a result raises: division by zero, overflow, the logarithm of a negative number."""


def finite(number: float) -> float:
    """Return a number, unless it is not finite.

    Raises:
        OverflowError: it is not; a later division would make a number of it again.
    """
    if not math.isfinite(number):
        raise OverflowError
    return number


def power(base: float, exponent: float) -> float:
    """Return ``base ** exponent`` in real numbers.

    Raises:
        OverflowError, ValueError: the exponent is too large, or there is no such real number.
    """
    if abs(exponent) > MOST_EXPONENT:
        raise OverflowError
    return math.pow(base, exponent)


FUNCTIONS: Mapping[str, tuple[int, Callable[..., float]]] = {
    "min": (2, min),
    "max": (2, max),
    "abs": (1, abs),
    "sqrt": (1, math.sqrt),
    "log": (1, math.log),
    "log10": (1, math.log10),
    "exp": (1, math.exp),
}
"""Each function with the number of its arguments; ``min`` and ``max`` take more."""
SEVERAL = ("min", "max")
