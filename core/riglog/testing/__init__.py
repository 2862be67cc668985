"""For tests of riglog and of plugins: virtual time and scripted ports. Simulated ports are in ``riglog.simulation``."""

from riglog.testing.scripted import ScriptStep, scripted, step
from riglog.testing.virtual_time import LoopClock, virtual_backend

__all__ = ["LoopClock", "ScriptStep", "scripted", "step", "virtual_backend"]
