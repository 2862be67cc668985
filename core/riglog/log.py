"""The loggers of the library: one per room, below ``riglog``. Nothing is printed until the application configures it.

A module that logs imports this one instead of ``logging``, so that ``import riglog`` alone does not import ``logging``.
"""

import logging

logging.getLogger("riglog").addHandler(logging.NullHandler())


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a room (``riglog.transport``) or of a plugin (``riglog.watlow``)."""
    return logging.getLogger(name)
