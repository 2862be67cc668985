"""What a rig file may say about a Watlow controller."""

from typing import Annotated, Literal

from msgspec import Meta

from riglog.plugin import DeviceConfig

STDBUS = "stdbus"
DEFAULT_PARAMETERS = ("process_value", "setpoint", "output_power")

Instance = Annotated[int, Meta(ge=1, le=40)]


class WatlowConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of one controller.

    ``parameters`` are names or ids, each for all ``instances`` (loops, inputs, alarms) it has of these;
    ``alarm_state[3]`` names one instance. ``temperature_unit`` converts; None takes what the wire carries.
    """

    address: Annotated[int, Meta(ge=1, le=247)] = 1
    parameters: tuple[str, ...] = DEFAULT_PARAMETERS
    instances: tuple[Instance, ...] = (1,)
    temperature_unit: Literal["degC", "degF"] | None = None
