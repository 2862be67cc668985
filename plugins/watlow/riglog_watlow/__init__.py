"""Watlow temperature controllers for riglog: EZ-ZONE PM, Series SD, Series F4P.

Each public name is imported when it is first used, so that loading the plugin stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riglog_watlow.config import WatlowConfig as WatlowConfig
    from riglog_watlow.device import Controller as Controller
    from riglog_watlow.device import Loop as Loop
    from riglog_watlow.device import Snapshot as Snapshot
    from riglog_watlow.driver import WatlowDriver as WatlowDriver
    from riglog_watlow.identity import Identity as Identity
    from riglog_watlow.identity import PartNumber as PartNumber
    from riglog_watlow.maintenance import move_link as move_link
    from riglog_watlow.parameters import Parameter as Parameter
    from riglog_watlow.parameters import registry as registry

_MODULES = {
    "Controller": "device",
    "Identity": "identity",
    "Loop": "device",
    "Parameter": "parameters",
    "PartNumber": "identity",
    "Snapshot": "device",
    "WatlowConfig": "config",
    "WatlowDriver": "driver",
    "move_link": "maintenance",
    "registry": "parameters",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
