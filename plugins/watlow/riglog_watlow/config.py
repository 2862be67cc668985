"""The keys of a rig file for a Watlow controller."""

from typing import Annotated, Literal

from msgspec import Meta

from riglog.device.proof_input import MAX_TIME
from riglog.plugin import DeviceConfig
from riglog.transport import Link
from riglog_watlow.families import FACTS, STDBUS, STDBUS_BAUDRATE, Facts, FamilyName

DEFAULT_PARAMETERS = ("process_value", "setpoint", "output_power")

ZONE_STRIDE = 5000
"""Registers from one controller to the next behind a gateway with factory settings."""

Instance = Annotated[int, Meta(ge=1, le=40)]
TemperatureUnit = Literal["degC", "degF"]


class WatlowConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of one controller.

    ``parameters`` are names or ids, each for all ``instances`` (loops, inputs, alarms) that it has;
    ``alarm_state[3]`` is one instance. ``temperature_unit`` converts; None: the unit that the controller transmits.
    ``input_check`` is the longest time in seconds between the two checks of an input that prove a value by themselves.

    For Modbus: ``register_map``, ``word_order`` and ``wire_temperature_unit`` are read from the controller where they
    are None. ``comm_port`` is the communication port of the controller that is connected. ``zone`` is the number of the
    controller behind a gateway, ``register_offset`` its first register if it is not (zone - 1) x 5000.
    """

    family: FamilyName = "pm"
    address: Annotated[int, Meta(ge=1, le=247)] = 1
    parameters: tuple[str, ...] = DEFAULT_PARAMETERS
    instances: Annotated[tuple[Instance, ...], Meta(min_length=1)] = (1,)
    temperature_unit: TemperatureUnit | None = None
    input_check: Literal["every"] | Annotated[float, Meta(gt=0, le=60)] | None = None
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
    def latched_check(self) -> float | None:
        """``input_check``, if it is so long that only a latched input error cannot come and go meanwhile."""
        check = self.input_check
        return check if not isinstance(check, str | None) and check > MAX_TIME else None

    @property
    def wire_protocol(self) -> str:
        """The configured protocol, or the default one of the family."""
        return self.protocol or self.facts.protocols[0]

    @property
    def link(self) -> Link:
        """Protocol and settings of the port."""
        protocol = self.wire_protocol
        baudrate = STDBUS_BAUDRATE if protocol == STDBUS else self.facts.baudrate
        return self.link_over(Link(protocol=protocol, baudrate=baudrate))

    @property
    def offset(self) -> int:
        """The address of the first register."""
        if self.register_offset is not None:
            return self.register_offset
        return (self.zone - 1) * ZONE_STRIDE if self.zone else 0

    @property
    def behind_gateway(self) -> bool:
        return self.zone is not None or self.register_offset is not None

    @property
    def bus_address(self) -> int | str:
        """What distinguishes the controller on a shared port: its address, and behind a gateway also its registers."""
        return f"{self.address}+{self.offset}" if self.behind_gateway else self.address
