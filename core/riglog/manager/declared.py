"""The channels of a device before it is opened: those that its configuration names, as far as its driver knows them."""

from riglog.manager.device_spec import DeviceSpec
from riglog.manager.managed_device import selected
from riglog.manager.reconnectable import ReconnectableTransport
from riglog.model import SYSTEM_CLOCK, Channel, Clock
from riglog.plugin import Driver
from riglog.plugin.guard import PLUGIN_ERRORS
from riglog.protocol import Connection


def declared_channels(spec: DeviceSpec, clock: Clock = SYSTEM_CLOCK) -> tuple[Channel, ...]:
    """Return them without opening anything; empty if only the instrument knows, or the device has no port."""
    if spec.port is None or not isinstance(spec.driver, Driver):
        return ()
    try:
        client = spec.port.factory(Connection(ReconnectableTransport(spec.port.name), spec.port.link, clock))
        device = spec.driver.device(spec.config, client, spec.context(clock))
        return selected(device.channels, spec.parameters, spec.name)
    except PLUGIN_ERRORS:  # what is wrong is reported when the device is opened
        return ()
