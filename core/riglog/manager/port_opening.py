"""Opening the port of a device for one purpose, without a rig: a frame that is sent, or frames that are listened to."""

from riglog.device.frame_reader import FrameReader
from riglog.errors import ConfigError, UnsupportedError
from riglog.manager.device_spec import DeviceSpec
from riglog.model import SYSTEM_CLOCK, Clock
from riglog.plugin import Driver
from riglog.plugin.guard import bugs_as, is_a
from riglog.transport import Link, Transport, open_transport


async def open_port_of(spec: DeviceSpec) -> Transport:
    """Open the port of a device; of ``sim:…`` that of a simulated instrument.

    Raises:
        PortError: it cannot be opened.
    """
    assert spec.port is not None
    return await open_or_simulate(spec, spec.port.link)


async def open_or_simulate(spec: DeviceSpec, link: Link) -> Transport:
    """Open the port of a device with other settings than its own."""
    assert spec.port is not None
    if not spec.port.simulated:
        return await open_transport(spec.port.name, link)
    from riglog.manager.simulated_port import SimulatedPort

    port = SimulatedPort(spec.port.name)
    port.connect(spec.simulator(), spec.name, ())
    return await port.open()


def reader_of(spec: DeviceSpec, clock: Clock = SYSTEM_CLOCK) -> FrameReader[object]:
    """Return what reads the frames on the port of a device.

    Raises:
        ConfigError: the device has no port.
        UnsupportedError: its driver cannot read frames.
    """
    driver = spec.driver
    if not isinstance(driver, Driver) or spec.port is None:
        raise ConfigError(f"driver {driver.name} has no port", hint="Use a driver whose devices have one")
    with bugs_as(ConfigError, driver, "frame_reader()"):
        reader = driver.frame_reader(spec.config, spec.context(clock))
    if reader is None:
        raise UnsupportedError(
            f"driver {driver.name} does not read frames", hint="The driver needs frame_reader() for raw and tap"
        )
    return is_a(FrameReader, reader)
