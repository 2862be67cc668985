"""The framing of a protocol name."""

from riglog.errors import ConfigError
from riglog.protocol.modbus.framing.ascii import AsciiFraming
from riglog.protocol.modbus.framing.base import Framing
from riglog.protocol.modbus.framing.rtu import RtuFraming
from riglog.protocol.modbus.framing.tcp import TcpFraming

FRAMINGS: dict[str, type[Framing]] = {kind.protocol: kind for kind in (RtuFraming, AsciiFraming, TcpFraming)}


def framing_of(protocol: str) -> Framing:
    """Return the framing called ``modbus-rtu``, ``modbus-ascii`` or ``modbus-tcp``.

    Raises:
        ConfigError: another name.
    """
    if protocol not in FRAMINGS:
        raise ConfigError(f"unknown Modbus protocol {protocol!r}", hint=f"Available: {', '.join(FRAMINGS)}")
    return FRAMINGS[protocol]()
