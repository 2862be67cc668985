"""The usual link of a balance, and the client of an opened port."""

from riglog.protocol import Connection
from riglog.transport import Link
from riglog_sartorius.base import SartoriusClient
from riglog_sartorius.config import XBPI, SartoriusConfig
from riglog_sartorius.load import reply_timeout
from riglog_sartorius.sbi.codec import SbiClient
from riglog_sartorius.xbpi.codec import XbpiClient


def usual_link(config: SartoriusConfig) -> Link:
    """Return the settings of the port."""
    return config.link_over(Link(protocol=config.wire_protocol, baudrate=9600, bytesize=8, parity="O"))


def connect(connection: Connection) -> SartoriusClient:
    """Return the client for the protocol of an opened port."""
    timeout = reply_timeout(connection.link)
    if connection.link.protocol == XBPI:
        return XbpiClient(connection, timeout=timeout)
    return SbiClient(connection, timeout=timeout)
