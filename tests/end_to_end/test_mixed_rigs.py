"""Vendors side by side: on one Modbus line, and one that broadcasts beside others that are asked."""

import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from riglog.acquire import AcquisitionSummary, pipe, record
from riglog.manager import Manager
from riglog.model import Sample, new_run
from riglog.protocol.modbus import ModbusServer, ModbusSlave
from riglog.sinks import MemorySink, SqliteSink
from riglog.testing import LoopClock
from riglog.transport import Simulator

WATLOW_1 = {"driver": "watlow", "protocol": "stdbus", "address": 1, "parameters": ["process_value", "setpoint"]}
WATLOW_2 = WATLOW_1 | {"address": 2}
BROADCASTER = {"driver": "servomex", "protocol": "continuous", "period": 2.0}
ASKED = {"driver": "servomex", "protocol": "modbus-rtu", "address": 30}


async def recorded(manager: Manager, duration: float, rate_hz: float) -> tuple[list[Sample], AcquisitionSummary]:
    sink, clock = MemorySink(), LoopClock()
    async with record(manager, rate_hz=rate_hz, duration=duration, clock=clock) as recording:
        await pipe(recording, sink, run=new_run("mixed", clock))
    return [sample for batch in sink.batches for sample in batch.samples], recording.summary
