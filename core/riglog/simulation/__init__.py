"""Simulated instruments: software that behaves like an instrument on a port, in this process or for other programs.

The names are imported when they are used: a program that only records needs none of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.simulation._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
