"""Ports: names, settings, and the open port as a byte stream. pyserial is imported when a port is opened.

The public names are imported when one of them is used: a configuration needs the settings of a port, and not the port.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.transport._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
