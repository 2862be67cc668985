"""The keys of a ``[[device]]`` table for a Servomex analyzer."""

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
    """Settings of one analyzer.

    ``parameters`` are channel ids (I1 … I4, D1 … D4, E1, E2); empty: all that are present. ``external_inputs`` = false
    excludes E1 and E2 from "all". ``concentration_unit`` converts; None: as displayed.

    Modbus: ``idle`` is the inter-frame gap in seconds before each request, ``retries`` the number of retries of a poll.
    Continuous: ``period`` is the frame frequency selected on the panel, in seconds, if known. After ``silence`` seconds
    without a frame the channels get a missing sample; default: a little more than two periods. ``timeout`` means the
    same there.
    """

    address: Annotated[int, Meta(ge=1, le=247)] = 1
    external_inputs: bool = True
    concentration_unit: Literal["%", "vpm"] | None = None
    idle: Idle = 0.05
    retries: Retries = 0
    period: Period | None = None
    silence: Silence | None = None

    @property
    def frame_timeout(self) -> float | None:
        """Seconds without a frame after which the channels get a missing sample; None: not configured."""
        return self.timeout if self.silence is None else self.silence
