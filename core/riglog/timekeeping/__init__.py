"""How good the clock of this computer is. Reads only, and never sets it."""

from riglog.timekeeping.programs import output_of
from riglog.timekeeping.sources import ClockSource, Outside, clock_source

__all__ = ["ClockSource", "Outside", "clock_source", "output_of"]
