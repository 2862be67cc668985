"""A derived channel as it was read from a rig file."""

from collections.abc import Mapping

from msgspec import Struct

from riglog.derived.formula import Formula
from riglog.model import Channel

DEVICE = "derived"
"""The device under which derived channels are recorded, unless the rig file names another one."""
DRIVER, PROTOCOL = "derived", "formula"


class Derived(Struct, frozen=True, kw_only=True):
    """A derived channel.

    ``leads`` are the inputs whose slots are its slots: those with the highest rate; empty if all devices of its inputs
    set their own pace. ``periods``: seconds between two rows of each input. ``input_units``: the units that inputs must
    have; of the others, that of their first value.
    """

    name: str
    device: str = DEVICE
    unit: str | None = None
    formula: Formula
    leads: tuple[str, ...]
    periods: Mapping[str, float]
    input_units: Mapping[str, str] = {}

    @property
    def period_s(self) -> float:
        """The time between two of its rows in seconds; as stated, if the device sets the pace."""
        return min(self.periods[name] for name in self.leads or self.periods)

    @property
    def channel(self) -> Channel:
        return Channel(
            device=self.device,
            driver=DRIVER,
            protocol=PROTOCOL,
            address=None,
            parameter=self.name,
            unit=self.unit,
            formula=self.formula.text,
            inputs=self.formula.inputs,
        )
