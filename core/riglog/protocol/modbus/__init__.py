"""Modbus for every vendor: RTU, ASCII and TCP over riglog's own ports.

The public names are imported when one of them is used: a driver that can also use Modbus names ``connect_modbus`` only.
``riglog.protocol.modbus.client`` imports pymodbus, and is imported when a port is opened.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.protocol.modbus._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
