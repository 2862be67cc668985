"""Units as words, and the temperature arithmetic everybody gets wrong once."""

DEG_C = "degC"
DEG_F = "degF"


def fahrenheit_to_celsius(value: float) -> float:
    """An absolute temperature."""
    return (value - 32.0) / 1.8


def celsius_to_fahrenheit(value: float) -> float:
    """An absolute temperature."""
    return value * 1.8 + 32.0


def fahrenheit_span_to_celsius(value: float) -> float:
    """A difference of temperatures: no offset of 32."""
    return value / 1.8


def celsius_span_to_fahrenheit(value: float) -> float:
    """A difference of temperatures: no offset of 32."""
    return value * 1.8
