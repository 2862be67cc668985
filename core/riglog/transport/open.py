"""Opens a port by its name."""

from riglog.log import get_logger
from riglog.transport.base import Transport
from riglog.transport.canonical import canonical_port
from riglog.transport.link import Link
from riglog.transport.serial import open_serial, usb_device

log = get_logger("riglog.transport")


async def open_transport(port: str, link: Link, *, read_only: bool = False) -> Transport:
    """Open a port, given as a device path, ``COM3``, ``usb:SERIAL``, ``tcp://HOST:PORT`` or
    ``rfc2217://HOST:PORT``.

    Args:
        read_only: the operating system refuses to write to it; of a serial port on POSIX.

    Raises:
        ConfigError: the name is invalid.
        PortError: the port cannot be opened; the subclass gives the cause.
    """
    key = canonical_port(port)
    if key.startswith("tcp://"):
        from riglog.transport.tcp import open_tcp  # imports socket

        opened: Transport = await open_tcp(key)
    elif key.startswith("rfc2217://"):
        from riglog.transport.rfc2217 import open_rfc2217

        opened = await open_rfc2217(key, link)
    elif key.startswith("usb:"):
        opened = await open_serial(usb_device(key.removeprefix("usb:")), link, name=port, read_only=read_only)
    else:
        opened = await open_serial(key, link, name=port, read_only=read_only)
    log.debug("%s: opened as %s, %s", port, key, link)
    return opened
