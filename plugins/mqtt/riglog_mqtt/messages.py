"""Topics and messages: what is sent for a row, and how Home Assistant learns of a channel. Pure.

Source: MQTT 5.0 (OASIS), 4.7; Home Assistant, MQTT discovery and MQTT sensor.
"""

import hashlib
import math
import re

import msgspec
from msgspec import Struct

from riglog.sinks import Row

ONLINE, OFFLINE = b"online", b"offline"
_OTHER = re.compile(r"[^A-Za-z0-9_-]")
UNITS = {"degC": ("°C", "temperature"), "degF": ("°F", "temperature"), "K": ("K", "temperature")}
"""Units that Home Assistant calls differently, with their class of device."""


class Message(Struct, frozen=True):
    """What is published under a topic. ``expiry_s``: the broker forgets it after so many seconds; None: never."""

    topic: str
    payload: bytes
    expiry_s: int | None = None


class Topics(Struct, frozen=True):
    """The topics of one rig. ``prefix`` is that of all of them, ``discovery`` that of Home Assistant, or empty."""

    prefix: str
    rig: str
    discovery: str

    @property
    def availability(self) -> str:
        """Return where ``online`` and ``offline`` are published."""
        return f"{self.prefix}/{level(self.rig)}/status"

    def values(self, row: Row) -> str:
        """Return where the values of the channel of a row are published."""
        return f"{self.prefix}/{level(self.rig)}/{level(row.device)}/{level(channel(row))}"

    def config(self, row: Row) -> str:
        """Return where Home Assistant looks for the description of the channel of a row."""
        node = f"riglog_{level(self.rig)}"
        return f"{self.discovery}/sensor/{node}/{joined(row.device, channel(row))}/config"


def channel(row: Row) -> str:
    """Return the name of a channel on its device: ``setpoint``, ``setpoint_2``."""
    return row.parameter if row.instance == 1 else f"{row.parameter}_{row.instance}"


def level(name: str) -> str:
    """Return a name as a level of a topic. Names that differ stay different."""
    plain = _OTHER.sub("_", name)
    if plain == name:
        return plain
    return f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def joined(*names: str) -> str:
    """Return names as one. Different names stay different: ``a_b`` and ``c`` are not ``a`` and ``b_c``."""
    text = "_".join(map(level, names))
    if not any("_" in level(name) for name in names[:-1]):
        return text
    return f"{text}_{hashlib.sha256('/'.join(map(level, names)).encode()).hexdigest()[:6]}"


def value_message(topics: Topics, row: Row, expire_after: float) -> Message:
    """Return a row as a message: value, unit, status and time; a row without a value clears the one before."""
    content = {
        "value": row.value,
        "text": row.text,
        "unit": row.unit,
        "status": row.status,
        "error": row.error,
        "at": row.received_at,
        "run": row.run,
    }
    return Message(topics.values(row), msgspec.json.encode(content), max(1, math.ceil(expire_after)))


def discovery_message(topics: Topics, row: Row, expire_after: float) -> Message:
    """Return what Home Assistant must know of the channel of a row."""
    unit, kind = UNITS.get(row.unit or "", (row.unit, None))
    device = f"riglog_{joined(topics.rig, row.device)}"
    content: dict[str, object] = {
        "name": channel(row),
        "unique_id": f"riglog_{joined(topics.rig, row.device, channel(row))}",
        "state_topic": topics.values(row),
        "value_template": "{{ value_json.value }}" if row.text is None else "{{ value_json.text }}",
        "json_attributes_topic": topics.values(row),
        "availability_topic": topics.availability,
        "expire_after": max(1, math.ceil(expire_after)),
        "device": {"identifiers": [device], "name": f"{topics.rig} {row.device}", "model": row.driver},
        "origin": {"name": "riglog"},
    }
    if row.text is None:
        content["state_class"] = "measurement"
        if unit:
            content["unit_of_measurement"] = unit
        if kind:
            content["device_class"] = kind
    return Message(topics.config(row), msgspec.json.encode(content))
