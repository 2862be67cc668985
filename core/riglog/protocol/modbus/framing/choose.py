"""The framing of a protocol name."""

from collections.abc import Container

from riglog.errors import ConfigError
from riglog.protocol.modbus.framing.ascii import AsciiFraming
from riglog.protocol.modbus.framing.base import Framing
from riglog.protocol.modbus.framing.rtu import RtuFraming
from riglog.protocol.modbus.framing.tcp import TcpFraming

FRAMINGS: dict[str, type[Framing]] = {kind.protocol: kind for kind in (RtuFraming, AsciiFraming, TcpFraming)}


def framing_of(protocol: str, accept_units: Container[int] = ()) -> Framing:
    """Return the framing called ``modbus-rtu``, ``modbus-ascii`` or ``modbus-tcp``.

    Args:
        accept_units: further unit identifiers of replies; without effect where there is no transaction number.

    Raises:
        ConfigError: another name.
    """
    if protocol not in FRAMINGS:
        raise ConfigError(f"unknown Modbus protocol {protocol!r}", hint=f"Available: {', '.join(FRAMINGS)}")
    kind = FRAMINGS[protocol]
    return TcpFraming(accept_units) if kind is TcpFraming else kind()
