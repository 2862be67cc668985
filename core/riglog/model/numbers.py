"""Which numbers can be measured. Pure."""

import math

SMALLEST = 2.0**-126
"""The smallest normal number of single precision. What is nearer to zero is no measurement in any unit: it is what a
number becomes whose words, or bytes, are read in the wrong order."""


def is_measurable(number: float) -> bool:
    """Return whether an instrument can have measured a number: it is finite, and zero or not nearly zero."""
    return math.isfinite(number) and (number == 0 or abs(number) >= SMALLEST)
