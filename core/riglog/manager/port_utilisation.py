"""How much of the time of each port is needed, computed from settings and frame lengths before anything is opened."""

from collections.abc import Iterable

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.manager.device_spec import DeviceSpec, PortSpec
from riglog.plugin import Driver
from riglog.plugin.guard import catch_faults

WARN_ABOVE = 0.8
WITHOUT_WIRE_TIME = ("/dev/pts/", "tcp:", "sim:")
"""Ports on which the time of a character is negligible."""


class PortUtilisation(Struct, frozen=True):
    """``share`` of the time of a port that its devices need; None if a driver does not know its frames."""

    port: str
    devices: tuple[str, ...]
    share: float | None

    @property
    def tight(self) -> bool:
        return self.share is not None and self.share > WARN_ABOVE

    def refuse_impossible(self) -> None:
        """Refuse a load that the port cannot carry.

        Raises:
            ConfigError: the devices need more time than there is.
        """
        if self.share is not None and self.share > 1:
            raise ConfigError(
                f"polling load {self.share:.0%} exceeds the capacity of the port (devices: {', '.join(self.devices)})",
                hint="Poll fewer parameters, lower rate_hz, raise the baud rate, or spread the devices over more ports",
                port=self.port,
            )


def port_utilisation(specs: Iterable[DeviceSpec], rate_hz: float) -> list[PortUtilisation]:
    """Return the utilisation of each port.

    Args:
        rate_hz: for devices without a rate of their own.
    """
    ports: dict[PortSpec, list[DeviceSpec]] = {}
    by_key: dict[str, PortSpec] = {}
    for spec in specs:
        if spec.port is not None:
            ports.setdefault(by_key.setdefault(spec.key, spec.port), []).append(spec)
    return [_utilisation(port, sharing, rate_hz) for port, sharing in ports.items()]


def _utilisation(port: PortSpec, specs: list[DeviceSpec], rate_hz: float) -> PortUtilisation:
    on_wire = not port.key.startswith(WITHOUT_WIRE_TIME)
    share: float | None = 0.0
    for spec in specs:
        assert isinstance(spec.driver, Driver)
        seconds: float | None = None
        with catch_faults(spec.driver, "transactions()"):
            if transactions := spec.driver.transactions(spec.config):
                seconds = sum(transaction.seconds(port.link, on_wire=on_wire) for transaction in transactions)
        share = None if seconds is None or share is None else share + seconds * (spec.config.rate_hz or rate_hz)
    return PortUtilisation(port.name, tuple(spec.name for spec in specs), share)
