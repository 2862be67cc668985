"""Something to control: an oven with a heater, so that a process value follows its set point."""

AMBIENT = 72.0
STEP = 0.5  # s, the longest step of the integration


class Oven:
    """First order: full power for ever ends at ``ambient + rise``. Temperatures in degF, times in s, power in %."""

    def __init__(self, *, ambient: float = AMBIENT, rise: float = 800.0, time_constant: float = 60.0) -> None:
        self.ambient = ambient
        self.rise = rise
        self.time_constant = time_constant
        self.temperature = ambient
        self.power = 0.0
        self._at: float | None = None

    def advance(self, now: float, setpoint: float | None, band: float, manual: float) -> None:
        """Let time pass until ``now``. ``setpoint`` None: the heater is at ``manual``.

        The controller knows the power that holds the set point, and adds to it in proportion to what is missing.
        """
        at = now if self._at is None else self._at
        self._at = max(now, at)
        left = min(now - at, 10 * self.time_constant)
        while True:
            self.power = manual if setpoint is None else self._wanted(setpoint, band)
            self.power = min(max(self.power, 0.0), 100.0)
            if left <= 0:
                return
            step = min(left, STEP)
            settled = self.ambient + self.rise * self.power / 100
            self.temperature += (settled - self.temperature) * step / self.time_constant
            left -= step

    def _wanted(self, setpoint: float, band: float) -> float:
        hold = 100 * (setpoint - self.ambient) / self.rise
        return hold + 100 * (setpoint - self.temperature) / max(band, 0.001)
