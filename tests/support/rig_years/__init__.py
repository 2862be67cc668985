"""Simulated rig-years: the whole program in virtual time, disturbed by everything that one seed draws, and judged."""

from rig_years.life import Life, live
from rig_years.plan import KINDS

__all__ = ["KINDS", "Life", "live"]
