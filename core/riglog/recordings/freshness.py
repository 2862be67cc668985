"""How long a channel of a recording may be without a new row or value before it is shown as old, and then as dead."""

LEAST_OLD_SECONDS, OLD_PERIODS = 3.0, 2.0
LEAST_DEAD_SECONDS, DEAD_PERIODS = 10.0, 10.0


def old_after(period: float) -> float:
    """Return the age in seconds from which a channel with this period is old."""
    return max(LEAST_OLD_SECONDS, OLD_PERIODS * period)


def dead_after(period: float) -> float:
    """Return the age in seconds from which a channel with this period is dead."""
    return max(LEAST_DEAD_SECONDS, DEAD_PERIODS * period)
