"""One name for one port, however it is written. Pure: nothing is opened, only links are followed."""

import os
import sys
from urllib.parse import urlsplit

from riglog.errors import ConfigError

SCHEMES = ("tcp", "sim", "usb")


def canonical_port(port: str, *, platform: str = sys.platform) -> str:
    r"""The key under which a port is shared.

    Symbolic links are followed on POSIX (``/dev/serial/by-id/…`` is ``/dev/ttyUSB0``); on Windows ``COM3``, ``com3``
    and ``\\.\COM3`` are one; host names are lower case. ``usb:SERIAL`` stays: it is looked up at each opening.

    Raises:
        ConfigError: the name is empty or its scheme is not known.
    """
    name = port.strip()
    if not name or "\0" in name:
        raise ConfigError(
            "port name is empty, or no text", hint="give a device path, COM port, usb:SERIAL or tcp://host:port"
        )
    if name.startswith("tcp://"):
        return "tcp://{}:{}".format(*tcp_address(name))
    scheme, colon, rest = name.partition(":")
    if colon and scheme in ("sim", "usb"):
        if not rest:
            raise ConfigError(f"port {name!r} names nothing behind the colon", hint=f"write {scheme}:NAME", port=name)
        return name
    if "://" in name:
        raise ConfigError(f"port {name!r} has an unknown scheme", hint=f"known: {', '.join(SCHEMES)}", port=name)
    if platform == "win32":
        return name.removeprefix("\\\\.\\").upper()
    return os.path.realpath(name)


def tcp_address(port: str) -> tuple[str, int]:
    """Host (lower case) and port number of ``tcp://host:4001``.

    Raises:
        ConfigError: no host, or no usable port number.
    """
    hint = "write tcp://host:4001"
    try:
        parts = urlsplit(port)
        host, number = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"port {port!r}: {error}", hint=hint, port=port) from None
    if not host or not number or parts.path or parts.query:
        raise ConfigError(f"port {port!r} is no TCP address", hint=hint, port=port)
    return host, number
