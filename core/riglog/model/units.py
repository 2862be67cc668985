"""Names of units, and conversions of temperatures and temperature differences."""

DEG_C = "degC"
DEG_F = "degF"


def fahrenheit_to_celsius(value: float) -> float:
    """Convert a temperature."""
    return (value - 32.0) / 1.8


def celsius_to_fahrenheit(value: float) -> float:
    """Convert a temperature."""
    return value * 1.8 + 32.0


def fahrenheit_span_to_celsius(value: float) -> float:
    """Convert a temperature difference: without the offset of 32."""
    return value / 1.8


def celsius_span_to_fahrenheit(value: float) -> float:
    """Convert a temperature difference: without the offset of 32."""
    return value * 1.8
