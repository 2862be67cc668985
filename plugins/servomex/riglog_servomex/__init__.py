"""Servomex SERVOPRO 4000-series gas analysers for riglog: Modbus RTU, Modbus ASCII, continuous ASCII."""

from riglog_servomex.analyzer import Analyzer
from riglog_servomex.config import ServomexConfig
from riglog_servomex.driver import ServomexDriver
from riglog_servomex.reading import AnalyserStatus, Flags, Identity, Phase, Reading, Snapshot

__all__ = [
    "AnalyserStatus",
    "Analyzer",
    "Flags",
    "Identity",
    "Phase",
    "Reading",
    "ServomexConfig",
    "ServomexDriver",
    "Snapshot",
]
