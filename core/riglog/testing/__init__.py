"""For tests of riglog and of plugins: virtual time. Scripted and simulated ports are in riglog.transport."""

from riglog.testing.virtual_time import LoopClock, virtual_backend

__all__ = ["LoopClock", "virtual_backend"]
