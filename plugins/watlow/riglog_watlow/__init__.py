"""Watlow temperature controllers for riglog: EZ-ZONE PM, Series SD, Series F4P.

The names a user needs, each loaded when it is first used: loading the plugin loads none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riglog_watlow.config import WatlowConfig
    from riglog_watlow.controller import Controller, Snapshot
    from riglog_watlow.driver import WatlowDriver
    from riglog_watlow.identity import Identity, PartNumber
    from riglog_watlow.loop import Loop
    from riglog_watlow.maintenance import move_link
    from riglog_watlow.parameters import Parameter, registry

_HOMES = {
    "Controller": "controller",
    "Identity": "identity",
    "Loop": "loop",
    "Parameter": "parameters",
    "PartNumber": "identity",
    "Snapshot": "controller",
    "WatlowConfig": "config",
    "WatlowDriver": "driver",
    "move_link": "maintenance",
    "registry": "parameters",
}

__all__ = [
    "Controller",
    "Identity",
    "Loop",
    "Parameter",
    "PartNumber",
    "Snapshot",
    "WatlowConfig",
    "WatlowDriver",
    "move_link",
    "registry",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'riglog_watlow' has no attribute {name!r}")
    return getattr(import_module(f"riglog_watlow.{_HOMES[name]}"), name)
