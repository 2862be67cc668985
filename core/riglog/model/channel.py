"""A channel: one parameter and instance of one device. Declared before the first poll."""

import re

from msgspec import Struct

CHANNEL_NAME = re.compile(r"(?P<device>[A-Za-z0-9][A-Za-z0-9_-]*)\.(?P<parameter>[^\[\]\s]+)(\[(?P<instance>\d+)\])?")
"""How a channel is written in a rig file; see ``Channel.__str__``."""


class Channel(Struct, frozen=True, kw_only=True, cache_hash=True):
    """The source of one series of samples.

    ``unit`` is the expected unit, None if it is not known in advance; the unit of a value is that of its sample.
    A derived channel has a ``formula``, and ``inputs``: the names of the channels in it.
    """

    device: str
    driver: str
    protocol: str
    address: int | str | None
    parameter: str
    parameter_id: int | None = None
    instance: int = 1
    unit: str | None = None
    formula: str | None = None
    inputs: tuple[str, ...] = ()

    def __str__(self) -> str:
        suffix = f"[{self.instance}]" if self.instance != 1 else ""
        return f"{self.device}.{self.parameter}{suffix}"
