"""What a rig file may say about a Watlow controller."""

from typing import Annotated, Literal

from msgspec import Meta

from riglog.plugin import DeviceConfig
from riglog_watlow.families import FACTS, Facts, FamilyName

DEFAULT_PARAMETERS = ("process_value", "setpoint", "output_power")

ZONE_STRIDE = 5000
"""Registers from one controller to the next behind a gateway that was left as it came."""

Instance = Annotated[int, Meta(ge=1, le=40)]
TemperatureUnit = Literal["degC", "degF"]


class WatlowConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of one controller.

    ``parameters`` are names or ids, each for all ``instances`` (loops, inputs, alarms) it has of these;
    ``alarm_state[3]`` names one instance. ``temperature_unit`` converts; None takes what the wire carries.

    For Modbus: ``register_map``, ``word_order`` and ``wire_temperature_unit`` are found out by reading where they are
    None. ``comm_port`` is the port of the controller that we talk to. ``zone`` is the number of the controller behind a
    gateway, ``register_offset`` where its registers begin if not at (zone - 1) x 5000.
    """

    family: FamilyName = "pm"
    address: Annotated[int, Meta(ge=1, le=247)] = 1
    parameters: tuple[str, ...] = DEFAULT_PARAMETERS
    instances: Annotated[tuple[Instance, ...], Meta(min_length=1)] = (1,)
    temperature_unit: TemperatureUnit | None = None
    wire_temperature_unit: TemperatureUnit | None = None
    register_map: Literal[1, 2] | None = None
    word_order: Literal["low-high", "high-low"] | None = None
    comm_port: Literal[1, 2] = 1
    zone: Annotated[int, Meta(ge=1, le=13)] | None = None
    register_offset: Annotated[int, Meta(ge=0, le=60_000)] | None = None

    @property
    def facts(self) -> Facts:
        return FACTS[self.family]

    @property
    def wire_protocol(self) -> str:
        """The one asked for, or the family's usual one."""
        return self.protocol or self.facts.protocols[0]

    @property
    def offset(self) -> int:
        if self.register_offset is not None:
            return self.register_offset
        return (self.zone - 1) * ZONE_STRIDE if self.zone else 0

    @property
    def behind_gateway(self) -> bool:
        return self.zone is not None or self.register_offset is not None

    @property
    def place(self) -> int | str:
        """Where on the line it is: its address, and behind a gateway also where its registers begin."""
        return f"{self.address}+{self.offset}" if self.behind_gateway else self.address
