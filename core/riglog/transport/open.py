"""From a port name to an opened transport."""

from riglog.transport.base import Transport
from riglog.transport.canonical import canonical_port
from riglog.transport.link import Link
from riglog.transport.serial import open_serial, usb_device
from riglog.transport.tcp import open_tcp


async def open_transport(port: str, link: Link) -> Transport:
    """Open a port by any of its names: device path, ``COM3``, ``usb:SERIAL``, ``tcp://host:4001``.

    Raises:
        ConfigError: the name makes no sense.
        PortError: it cannot be opened; the subclass says why.
    """
    key = canonical_port(port)
    if key.startswith("tcp://"):
        return await open_tcp(key)
    if key.startswith("usb:"):
        return await open_serial(usb_device(key.removeprefix("usb:")), link, name=port)
    return await open_serial(key, link, name=port)
