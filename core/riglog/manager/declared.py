"""What a driver knows of a device before it is opened: the channels that its configuration names, and its pace."""

from riglog.device import Pace
from riglog.errors import ConfigError
from riglog.manager.device_spec import DeviceSpec
from riglog.manager.managed_device import selected
from riglog.manager.reconnectable import ReconnectableTransport
from riglog.model import SYSTEM_CLOCK, Channel, Clock
from riglog.plugin import Driver
from riglog.plugin.guard import bugs_as
from riglog.protocol import Connection


def declared_channels(spec: DeviceSpec, clock: Clock = SYSTEM_CLOCK) -> tuple[Channel, ...]:
    """Return them without opening anything; empty if only the instrument knows, or the device has no port."""
    if spec.port is None or not isinstance(spec.driver, Driver):
        return ()
    try:
        client = spec.port.factory(Connection(ReconnectableTransport(spec.port.name), spec.port.link, clock))
        device = spec.driver.device(spec.config, client, spec.context(clock))
        return selected(device.channels, spec.parameters, spec.name)
    except (Exception, SystemExit):  # what is wrong is reported when the device is opened
        return ()


def device_paced(spec: DeviceSpec) -> bool:
    """Return True if the device will set its own pace, as far as its driver knows before it is opened."""
    with bugs_as(ConfigError, spec.driver, "pace()"):
        return spec.driver.pace(spec.config) is Pace.DEVICE
