"""The keys of a ``[[device]]`` table with ``driver = "sartorius"``."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from riglog.errors import ConfigError
from riglog.plugin import DeviceConfig, Names, try_each

XBPI, SBI = "xbpi", "sbi"
PROTOCOLS = (SBI, XBPI)
"""The first is the default: balances are delivered in SBI mode."""

Sensor = Annotated[int, Meta(ge=0, le=3)]


class Quantity(StrEnum):
    """What a balance can be polled for; the names of the channels."""

    NET = "net"
    GROSS = "gross"
    TARE = "tare"
    TEMPERATURE = "temperature"


NAMES = Names(
    {
        Quantity.NET.value: ("net_weight", "weight"),
        Quantity.GROSS.value: ("gross_weight", "weight"),
        Quantity.TARE.value: ("tare_weight", "tare_value"),
        Quantity.TEMPERATURE.value: ("temp",),
    }
)
"""The quantities and what people call them. Without its label, a weight can be net or gross."""

SBI_QUANTITIES = (Quantity.NET, Quantity.GROSS)
"""What a line of SBI can contain, by its label."""


class SartoriusConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One balance on a port of its own.

    ``parameters`` may contain net, gross, tare and temperature; over SBI only net and gross. ``timeout`` is in seconds
    per request; with ``autoprint`` it is the longest pause between two lines.

    Attributes:
        autoprint: the balance sends lines without requests (SBI); it is only listened to, and sets the pace.
        address: node number of the balance, xBPI; on a direct link 9 works whatever number the balance has.
        sensors: temperature sensors to read, xBPI; the instance of the channel is the number of the sensor.
        crlf: end SBI commands with CR LF; every model accepts it, and most do not need it.
    """

    autoprint: bool = False
    address: Annotated[int, Meta(ge=0, le=255)] = 9
    sensors: tuple[Sensor, ...] = (0,)
    crlf: bool = True

    @property
    def wire_protocol(self) -> str:
        """The configured protocol, or the default."""
        return self.protocol or PROTOCOLS[0]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        return tuple([Quantity(NAMES.find(name) or name) for name in self.parameters]) or (Quantity.NET,)


def check(config: SartoriusConfig) -> None:
    """Refuse what the types of the struct cannot.

    Raises:
        ConfigError: naming what is wrong and what would be right.
    """
    protocol = config.wire_protocol
    if protocol not in PROTOCOLS:
        hint = f'Available: {", ".join(PROTOCOLS)}. For autoprint set protocol = "sbi" and autoprint = true'
        raise ConfigError(f"unknown protocol {protocol!r}", hint=hint, device=config.name)
    available = tuple(Quantity) if protocol == XBPI else SBI_QUANTITIES

    def check_parameter(name: str) -> str:
        known = NAMES.find(name)
        if known is None or known not in available:
            hint = f"{NAMES.suggestion(name)}Available over {protocol}: {', '.join(available)}"
            raise ConfigError(f"parameter {name!r} is not available over {protocol}", hint=hint, device=config.name)
        return known

    parameters = try_each(check_parameter, config.parameters)
    for key, values in (("parameters", parameters), ("sensors", config.sensors)):
        if len(set(values)) != len(values):
            raise ConfigError(f"{key}: duplicate entry", hint="List each entry once", device=config.name)
    if config.autoprint and protocol == XBPI:
        raise ConfigError("autoprint is not available over xBPI", hint='Set protocol = "sbi"', device=config.name)
    if config.bytesize == 7 and protocol == XBPI:
        raise ConfigError("xBPI requires 8 data bits", hint="Remove bytesize", device=config.name)
