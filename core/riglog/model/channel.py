"""A channel: one thing one instrument reports. Declared once, before the first poll."""

from msgspec import Struct


class Channel(Struct, frozen=True, kw_only=True, cache_hash=True):
    """What a column of numbers is about.

    ``unit`` is the unit the values are expected in, None when nobody knows; the unit that counts is the sample's.
    """

    device: str
    driver: str
    protocol: str
    address: int | str | None
    parameter: str
    parameter_id: int | None = None
    instance: int = 1
    unit: str | None = None

    def __str__(self) -> str:
        suffix = f"[{self.instance}]" if self.instance != 1 else ""
        return f"{self.device}.{self.parameter}{suffix}"
