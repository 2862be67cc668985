"""What a ``[[device]]`` with ``driver = "sartorius"`` may say."""

from typing import Annotated

from msgspec import Meta

from riglog.errors import ConfigError
from riglog.plugin import DeviceConfig
from riglog_sartorius.dialect import Quantity

XBPI, SBI = "xbpi", "sbi"
PROTOCOLS = (SBI, XBPI)
"""The first is the default, as it is the balance's."""

Sensor = Annotated[int, Meta(ge=0, le=3)]


class SartoriusConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One balance on a port of its own.

    ``parameters`` are among net, gross, tare and temperature; SBI has net only. ``timeout`` is seconds per request, and
    with ``autoprint`` the longest pause between two lines.

    Attributes:
        autoprint: the balance prints of itself (SBI); it is listened to and sets the pace.
        address: node number to send to, xBPI; on a direct link 9 works whatever number the balance was given.
        sensors: temperature sensors to report, xBPI; the instance of the channel is the number of the sensor.
        crlf: end SBI commands with CR LF, which every model accepts and most do without.
    """

    autoprint: bool = False
    address: Annotated[int, Meta(ge=0, le=255)] = 9
    sensors: tuple[Sensor, ...] = (0,)
    crlf: bool = True

    @property
    def wire(self) -> str:
        """The protocol said, or the default."""
        return self.protocol or PROTOCOLS[0]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        return tuple([Quantity(name) for name in self.parameters]) or (Quantity.NET,)


def check(config: SartoriusConfig) -> None:
    """Refuse what the types cannot.

    Raises:
        ConfigError: naming what is wrong and what would be right.
    """
    if config.wire not in PROTOCOLS:
        hint = f"protocols: {', '.join(PROTOCOLS)}; automatic output is autoprint = true"
        raise ConfigError(f"no protocol {config.wire!r}", hint=hint, device=config.name)
    known = list(Quantity) if config.wire == XBPI else [Quantity.NET]
    for name in config.parameters:
        if name not in known:
            hint = f"{config.wire} has: {', '.join(known)}"
            raise ConfigError(f"a balance has no parameter {name!r} over {config.wire}", hint=hint, device=config.name)
    for what, values in (("parameters", config.parameters), ("sensors", config.sensors)):
        if len(set(values)) != len(values):
            raise ConfigError(f"{what} names one twice", device=config.name)
    if config.autoprint and config.wire == XBPI:
        raise ConfigError("xBPI never prints of itself", hint='say protocol = "sbi"', device=config.name)
    if config.bytesize == 7 and config.wire == XBPI:
        raise ConfigError("xBPI frames need 8 data bits", hint="leave bytesize away", device=config.name)
