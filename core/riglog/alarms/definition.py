"""An alarm as it was read from a rig file."""

import msgspec
from msgspec import Struct

from riglog.model import NS, Status


class Alarm(Struct, frozen=True, kw_only=True):
    """Conditions on one or more channels (``oven.process_value``, ``oven.process_value[2]``).

    Any of the conditions raises it: a value above ``high`` or below ``low``, a change faster than ``rate`` per second,
    a ``status``, a ``text``, or no usable value for ``stale_s``. ``hold_s``: how long a condition must last.
    ``unit``: values in another unit are not compared. ``actions`` are names.
    """

    name: str
    channels: tuple[str, ...]
    high: float | None = None
    low: float | None = None
    hysteresis: float = 0.0
    rate: float | None = None
    unit: str | None = None
    status: tuple[Status, ...] = ()
    text: tuple[str, ...] = ()
    stale_s: float
    hold_s: float = 0.0
    actions: tuple[str, ...] = ()

    @property
    def hold_ns(self) -> int:
        return round(self.hold_s * NS)

    @property
    def stale_ns(self) -> int:
        return round(self.stale_s * NS)

    def definition(self, channel: str) -> str:
        """Return the alarm on one channel as JSON, as it is stored with the run."""
        kept = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) not in (None, ())}
        del kept["channels"]
        return msgspec.json.encode({"channel": channel} | kept).decode()

    @property
    def summary(self) -> str:
        """Return the conditions in words."""
        unit = f" {self.unit}" if self.unit else ""
        parts = [
            *([f"above {self.high:g}{unit}"] if self.high is not None else []),
            *([f"below {self.low:g}{unit}"] if self.low is not None else []),
            *([f"changes by more than {self.rate:g}{unit} per second"] if self.rate is not None else []),
            *([f"status {', '.join(self.status)}"] if self.status else []),
            *([f"text {', '.join(self.text)}"] if self.text else []),
        ]
        held = f" for {self.hold_s:g} s" if self.hold_s and parts else ""
        stale = f"no usable value for {self.stale_s:g} s"
        return f"{' or '.join(parts)}{held}, or {stale}" if parts else stale
