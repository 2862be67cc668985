"""riglog records rigs made of instruments of different vendors into one table.

The public names are imported when they are first used, so that ``import riglog`` takes little time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riglog.acquire import ActiveRun, Overflow, pipe, record
    from riglog.config import load_rig
    from riglog.errors import RiglogError
    from riglog.manager import Manager
    from riglog.model import Batch, Channel, ErrorPolicy, Sample, Stamp, Status, new_run
    from riglog.recordings import read
    from riglog.rig import record_rig
    from riglog.sinks import MemorySink, SqliteSink

_HOMES = {
    "ActiveRun": "acquire",
    "Batch": "model",
    "Channel": "model",
    "ErrorPolicy": "model",
    "Manager": "manager",
    "MemorySink": "sinks",
    "Overflow": "acquire",
    "RiglogError": "errors",
    "Sample": "model",
    "SqliteSink": "sinks",
    "Stamp": "model",
    "Status": "model",
    "load_rig": "config",
    "new_run": "model",
    "pipe": "acquire",
    "read": "recordings",
    "record": "acquire",
    "record_rig": "rig",
}

__all__ = [
    "ActiveRun",
    "Batch",
    "Channel",
    "ErrorPolicy",
    "Manager",
    "MemorySink",
    "Overflow",
    "RiglogError",
    "Sample",
    "SqliteSink",
    "Stamp",
    "Status",
    "load_rig",
    "new_run",
    "pipe",
    "read",
    "record",
    "record_rig",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'riglog' has no attribute {name!r}")
    return getattr(import_module(f"riglog.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
