"""Can the lines carry what is asked of them? Worked out from settings and frame lengths before anything is opened."""

from collections.abc import Iterable

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.manager.device_spec import DeviceSpec

WARN_ABOVE = 0.8
WITHOUT_WIRE = ("/dev/pts/", "tcp:", "sim:")
"""Ports on which characters take no time worth counting."""


class PortUtilisation(Struct, frozen=True):
    """``share`` of a port's time that its devices ask for; None if a driver does not know its frames."""

    port: str
    devices: tuple[str, ...]
    share: float | None

    @property
    def tight(self) -> bool:
        return self.share is not None and self.share > WARN_ABOVE

    def refuse_impossible(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: more is asked of the port than it can carry.
        """
        if self.share is not None and self.share > 1:
            raise ConfigError(
                f"{self.share:.0%} of what the line can carry is asked for by {', '.join(self.devices)}",
                hint="poll fewer parameters, more slowly, at a higher baud rate, or over more ports",
                port=self.port,
            )


def port_utilisation(specs: Iterable[DeviceSpec], rate_hz: float) -> list[PortUtilisation]:
    """How much of each port's time the devices ask for; ``rate_hz`` is for those without a rate of their own."""
    ports: dict[str, list[DeviceSpec]] = {}
    for spec in specs:
        ports.setdefault(spec.key, []).append(spec)
    return [_use(sharing, rate_hz) for sharing in ports.values()]


def _use(specs: list[DeviceSpec], rate_hz: float) -> PortUtilisation:
    share: float | None = 0.0
    for spec in specs:
        exchanges = spec.driver.transactions(spec.config)
        wire = not spec.key.startswith(WITHOUT_WIRE)
        took = sum(exchange.seconds(spec.link, wire=wire) for exchange in exchanges)
        share = share + took * (spec.config.rate_hz or rate_hz) if exchanges and share is not None else None
    return PortUtilisation(specs[0].config.port, tuple(spec.config.name for spec in specs), share)
