"""Instruments described by files: loading (source, format), meaning (values), proof (proofs), device, simulation."""

from riglog.instrument.description import (
    UNTRIED,
    Block,
    BlockOptions,
    Description,
    Head,
    LineSettings,
    Manual,
    Quantity,
    Reaching,
    Writable,
)
from riglog.instrument.device import DescribedDevice
from riglog.instrument.document import page
from riglog.instrument.driver import Dialogue, InstrumentConfig, InstrumentDriver
from riglog.instrument.format import Format, problems_of
from riglog.instrument.mistakes import Mistakes
from riglog.instrument.schema import json_schema
from riglog.instrument.simulated import SimulatedInstrument
from riglog.instrument.source import shipped_names
from riglog.instrument.values import Meaning, Raw, RawKind, Reading

__all__ = [
    "UNTRIED",
    "Block",
    "BlockOptions",
    "DescribedDevice",
    "Description",
    "Dialogue",
    "Format",
    "Head",
    "InstrumentConfig",
    "InstrumentDriver",
    "LineSettings",
    "Manual",
    "Meaning",
    "Mistakes",
    "Quantity",
    "Raw",
    "RawKind",
    "Reaching",
    "Reading",
    "SimulatedInstrument",
    "Writable",
    "json_schema",
    "page",
    "problems_of",
    "shipped_names",
]
