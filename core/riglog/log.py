"""The loggers of the library: one per module, below ``riglog``. Nothing is printed until the application configures it.

A module that logs imports this one instead of ``logging``, so that ``import riglog`` alone does not import ``logging``.
"""

import logging

logging.getLogger("riglog").addHandler(logging.NullHandler())


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module, given as its ``__name__``."""
    return logging.getLogger(module)
