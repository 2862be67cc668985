"""What a rig file may say about a Servomex analyser."""

from typing import Annotated, Literal

from msgspec import Meta

from riglog.plugin import DeviceConfig

RTU, ASCII, CONTINUOUS = "modbus-rtu", "modbus-ascii", "continuous"
BAUDRATES = (2400, 4800, 9600, 19200)

Retries = Annotated[int, Meta(ge=0, le=2)]
Idle = Annotated[float, Meta(ge=0.05, le=1.0)]
Period = Annotated[float, Meta(ge=1, le=9999)]
Silence = Annotated[float, Meta(ge=1, le=86400)]


class ServomexConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of one analyser.

    ``parameters`` are channel ids (I1 … I4, D1 … D4, E1, E2); none named means all that are fitted.
    ``external_inputs`` = false leaves E1 and E2 out of "all". ``concentration_unit`` converts; None takes what the
    analyser displays.

    Modbus: ``idle`` is the silence in seconds before each request, ``retries`` how often a poll asks again.
    Continuous: ``period`` is the frame frequency set at the panel, in seconds, if known; after ``silence`` seconds
    without a frame the channels get a missing sample, by default a little more than two periods.
    """

    address: Annotated[int, Meta(ge=1, le=247)] = 1
    external_inputs: bool = True
    concentration_unit: Literal["%", "vpm"] | None = None
    idle: Idle = 0.05
    retries: Retries = 0
    period: Period | None = None
    silence: Silence | None = None
