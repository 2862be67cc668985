"""What the core knows of a device before its driver builds it: who it is, where it is, and the clock of the rig."""

from msgspec import Struct

from riglog.model import SYSTEM_CLOCK, Channel, Clock


class DeviceContext(Struct, frozen=True, kw_only=True):
    """The configured identity of one device.

    Attributes:
        device: the name in the rig.
        driver: the name of the driver.
        protocol: the wire protocol; the name of the driver for a device without a port.
        address: the bus address; None if the device does not share its port.
        clock: the clock of the rig, for the stamps of samples that no client has stamped.
    """

    device: str
    driver: str
    protocol: str
    address: int | str | None = None
    clock: Clock = SYSTEM_CLOCK

    def channel(
        self, parameter: str, *, parameter_id: int | None = None, instance: int = 1, unit: str | None = None
    ) -> Channel:
        """Return a channel of this device.

        Args:
            parameter: the name of the quantity or setting, as in the manual of the instrument.
            parameter_id: its number there, if it has one.
            instance: the number of the loop, input or alarm.
            unit: the unit in which values are expected; None: unknown. Each sample carries its own.
        """
        return Channel(
            device=self.device,
            driver=self.driver,
            protocol=self.protocol,
            address=self.address,
            parameter=parameter,
            parameter_id=parameter_id,
            instance=instance,
            unit=unit,
        )
