"""The keys of a ``[[device]]`` table for a Modbus instrument."""

from typing import Annotated

from msgspec import Meta

from riglog.instrument import InstrumentConfig

RTU, ASCII, TCP = "modbus-rtu", "modbus-ascii", "modbus-tcp"


class ModbusConfig(InstrumentConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of one instrument. ``retries``: of each read of a poll without a reply."""

    address: Annotated[int, Meta(ge=1, le=255)] = 1
    retries: Annotated[int, Meta(ge=0, le=2)] = 0
