"""A channel: one parameter and instance of one device. Declared before the first poll."""

from msgspec import Struct


class Channel(Struct, frozen=True, kw_only=True, cache_hash=True):
    """The source of one series of samples.

    ``unit`` is the expected unit, None if it is not known in advance; the unit of a value is that of its sample.
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
