"""Can the lines carry what is asked of them? Worked out from settings and frame lengths before anything is opened."""

from collections.abc import Iterable

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.manager.opening import Plan

WARN_ABOVE = 0.8
WITHOUT_WIRE = ("/dev/pts/", "tcp:", "sim:")
"""Ports on which characters take no time worth counting."""


class LineUse(Struct, frozen=True):
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


def line_use(plans: Iterable[Plan], rate_hz: float) -> list[LineUse]:
    """How much of each port's time the devices ask for; ``rate_hz`` is for those without a rate of their own."""
    ports: dict[str, list[Plan]] = {}
    for plan in plans:
        ports.setdefault(plan.key, []).append(plan)
    return [_use(sharing, rate_hz) for sharing in ports.values()]


def _use(plans: list[Plan], rate_hz: float) -> LineUse:
    share: float | None = 0.0
    for plan in plans:
        exchanges = plan.driver.exchanges(plan.config)
        wire = not plan.key.startswith(WITHOUT_WIRE)
        took = sum(exchange.seconds(plan.link, wire=wire) for exchange in exchanges)
        share = share + took * (plan.config.rate_hz or rate_hz) if exchanges and share is not None else None
    return LineUse(plans[0].config.port, tuple(plan.config.name for plan in plans), share)
