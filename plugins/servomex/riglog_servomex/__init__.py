"""Servomex SERVOPRO 4000-series gas analyzers for riglog: Modbus RTU, Modbus ASCII, continuous ASCII."""

from riglog_servomex.config import ServomexConfig
from riglog_servomex.device import Analyzer
from riglog_servomex.driver import ServomexDriver
from riglog_servomex.errors import (
    BadFrameError,
    ChannelAbsentError,
    CoilLeftSetError,
    OldFrameError,
    StartUnknownError,
)
from riglog_servomex.samples import AnalyzerStatus, Flags, Identity, Phase, Reading, Snapshot

__all__ = [
    "Analyzer",
    "AnalyzerStatus",
    "BadFrameError",
    "ChannelAbsentError",
    "CoilLeftSetError",
    "Flags",
    "Identity",
    "OldFrameError",
    "Phase",
    "Reading",
    "ServomexConfig",
    "ServomexDriver",
    "Snapshot",
    "StartUnknownError",
]
