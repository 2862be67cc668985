"""Discovery on one port: listen, then probe xBPI, then SBI. Without a reply, try the next. Source: section 5."""

from collections.abc import Sequence

import anyio

from riglog.errors import DeviceError, ProtocolError
from riglog.plugin import Found
from riglog.protocol import Connection
from riglog.transport import Link
from riglog_sartorius.config import SBI, XBPI
from riglog_sartorius.identity import Identity
from riglog_sartorius.sbi.codec import SbiClient
from riglog_sartorius.sbi.protocol import SbiProtocol
from riglog_sartorius.sbi.session import LISTEN_SECONDS, is_autoprint_line
from riglog_sartorius.xbpi.codec import XbpiClient, XbpiRequest
from riglog_sartorius.xbpi.frames import BALANCE
from riglog_sartorius.xbpi.opcodes import READ_MODEL
from riglog_sartorius.xbpi.protocol import XbpiProtocol

MIN_TIMEOUT = 0.5
PROBE_CHARACTERS = 28

LINKS = (
    Link(protocol=SBI, baudrate=9600, parity="O"),
    Link(protocol=SBI, baudrate=19200, parity="O"),
    Link(protocol=SBI, baudrate=1200, parity="O"),
    Link(protocol=SBI, baudrate=1200, parity="O", bytesize=7),
    Link(protocol=SBI, baudrate=9600, parity="O", bytesize=7),
    Link(protocol=SBI, baudrate=9600, parity="N"),
)
"""The factory settings. The protocol of the link does not matter: each is probed for all protocols."""


async def probe(connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
    """Probe until a balance responds. Sends identity and print requests only.

    Args:
        listen: seconds to wait for a line of autoprint; None: the usual time.

    Raises:
        ConnectionLostError: the port is gone.
    """
    if found := await _listen(connection, LISTEN_SECONDS if listen is None else listen):
        return [found]
    for step in (_probe_xbpi, _probe_sbi) if connection.link.bytesize == 8 else (_probe_sbi,):
        if found := await step(connection):
            return [found]
    return []


async def _listen(connection: Connection, seconds: float) -> Found | None:
    """Listen for a weight that arrives without a request: in autoprint mode no request must be sent."""
    client = SbiClient(connection, timeout=seconds)
    with anyio.move_on_after(seconds):
        while True:
            if is_autoprint_line((await client.listen()).reply):
                identity = "balance in autoprint mode (model not read)"
                return _found(connection.link, SBI, None, identity, autoprint=True)
    return None


async def _probe_xbpi(connection: Connection) -> Found | None:
    """Any intact reply is xBPI, an error reply too."""
    client = XbpiClient(connection, timeout=_timeout(connection.link))
    try:
        await client.transact(XbpiRequest(READ_MODEL))
        identity = await XbpiProtocol().identify(client)
    except DeviceError:
        identity = Identity(None)
    except ProtocolError:
        return None
    return _found(connection.link, XBPI, BALANCE, _described(identity))


async def _probe_sbi(connection: Connection) -> Found | None:
    client = SbiClient(connection, timeout=_timeout(connection.link))
    protocol = SbiProtocol(client)
    try:
        await protocol.handshake(client)
        identity = await protocol.identify(client) if client.codec.identities else Identity(None)
    except DeviceError:
        identity = Identity(None)
    except ProtocolError:
        return None
    return _found(connection.link, SBI, None, _described(identity))


def _timeout(link: Link) -> float:
    return max(MIN_TIMEOUT, 2 * link.seconds(PROBE_CHARACTERS))


def _described(identity: Identity) -> str:
    return " ".join(part for part in (identity.model, identity.serial) if part) or "balance (no identity reported)"


def _found(link: Link, protocol: str, address: int | None, identity: str, **settings: bool) -> Found:
    serial: dict[str, str | int | float | bool] = {
        "baudrate": link.baudrate,
        "bytesize": link.bytesize,
        "parity": link.parity,
    }
    return Found(protocol, address, identity, serial | settings)
