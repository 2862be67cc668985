"""RTU, ASCII and TCP: the same PDUs in three kinds of frames. Bytes in, checked frames out."""

from riglog.protocol.modbus.framing.ascii import AsciiFraming
from riglog.protocol.modbus.framing.base import Frame, Framing
from riglog.protocol.modbus.framing.choose import FRAMINGS, framing_of
from riglog.protocol.modbus.framing.rtu import RtuFraming
from riglog.protocol.modbus.framing.tcp import TcpFraming

__all__ = ["FRAMINGS", "AsciiFraming", "Frame", "Framing", "RtuFraming", "TcpFraming", "framing_of"]
