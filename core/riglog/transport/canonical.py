"""Port keys: one canonical name per port, however the port is written. Pure: only symbolic links are followed."""

import os
import sys
from urllib.parse import urlsplit

from riglog.errors import ConfigError

SCHEMES = ("tcp", "rfc2217", "sim", "usb")
ON_A_NETWORK = ("tcp", "rfc2217")


def canonical_port(port: str, *, platform: str = sys.platform) -> str:
    r"""Return the key under which a port is shared.

    On POSIX symbolic links are followed (``/dev/serial/by-id/…`` becomes ``/dev/ttyUSB0``). On Windows ``COM3``,
    ``com3`` and ``\\.\COM3`` have the same key. Host names become lower case. ``usb:SERIAL`` is kept, because the
    adapter is looked up at each opening.

    Raises:
        ConfigError: the name is empty, incomplete, or has an unknown scheme.
    """
    name = port.strip()
    if not name or "\0" in name:
        raise ConfigError(
            "invalid port name: empty, or contains a NUL character",
            hint="Use a device path, a COM port, usb:SERIAL or tcp://HOST:PORT",
        )
    scheme, colon, rest = name.partition(":")
    if scheme in ON_A_NETWORK and rest.startswith("//"):
        return "{}://{}:{}".format(scheme, *tcp_address(name))
    if colon and scheme in ("sim", "usb"):
        if not rest:
            raise ConfigError(f"invalid port name: nothing follows {scheme}:", hint=f"Write {scheme}:NAME", port=name)
        return name
    if "://" in name:
        raise ConfigError(
            "invalid port name: unknown scheme", hint=f"Available schemes: {', '.join(SCHEMES)}", port=name
        )
    if platform == "win32":
        return name.removeprefix("\\\\.\\").upper()
    return os.path.realpath(name)


def tcp_address(port: str) -> tuple[str, int]:
    """Return host (lower case) and port number of ``tcp://HOST:PORT`` or ``rfc2217://HOST:PORT``.

    Raises:
        ConfigError: no host, or no valid port number.
    """
    hint = "Write tcp://HOST:PORT, for example tcp://192.168.1.20:4001"
    try:
        parts = urlsplit(port)
        host, number = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"invalid port name: {error}", hint=hint, port=port) from None
    if not host or not number or parts.path or parts.query:
        raise ConfigError("invalid port name: expected tcp://HOST:PORT", hint=hint, port=port)
    return host, number
