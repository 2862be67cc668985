"""Derived channels: what a formula of the rig file makes of the rows of other channels, as they are recorded."""

from riglog.derived.arithmetic import FUNCTIONS
from riglog.derived.definition import DEVICE, Derived
from riglog.derived.deriver import Deriver
from riglog.derived.formula import Formula, FormulaError, read_formula
from riglog.derived.window import MOST_ROWS, WINDOW_FUNCTIONS

__all__ = [
    "DEVICE",
    "FUNCTIONS",
    "MOST_ROWS",
    "WINDOW_FUNCTIONS",
    "Derived",
    "Deriver",
    "Formula",
    "FormulaError",
    "read_formula",
]
