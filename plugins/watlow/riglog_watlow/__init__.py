"""Watlow temperature controllers for riglog: EZ-ZONE PM, Series SD, Series F4P."""

from riglog_watlow.config import WatlowConfig
from riglog_watlow.controller import Controller, Snapshot
from riglog_watlow.driver import WatlowDriver
from riglog_watlow.identity import Identity, PartNumber
from riglog_watlow.loop import Loop
from riglog_watlow.parameters import Parameter, registry

__all__ = [
    "Controller",
    "Identity",
    "Loop",
    "Parameter",
    "PartNumber",
    "Snapshot",
    "WatlowConfig",
    "WatlowDriver",
    "registry",
]
