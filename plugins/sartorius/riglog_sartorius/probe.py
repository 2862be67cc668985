"""Who is there: listen, then ask over xBPI, then over SBI. Silence means: try the next. Source: section 5."""

from collections.abc import Sequence

import anyio

from riglog.errors import DeviceError, ProtocolError
from riglog.plugin import Found
from riglog.protocol import ProtocolClient
from riglog.transport import Link, Transport
from riglog_sartorius.config import SBI, XBPI
from riglog_sartorius.identity import Identity
from riglog_sartorius.sbi.codec import SbiCodec
from riglog_sartorius.sbi.conversation import LISTEN, Conversation, tells
from riglog_sartorius.sbi.dialect import SbiDialect
from riglog_sartorius.xbpi.codec import XbpiCodec, XbpiRequest
from riglog_sartorius.xbpi.dialect import XbpiDialect
from riglog_sartorius.xbpi.frames import BALANCE

TIMEOUT = 0.5
PROBE_CHARACTERS = 28


def _link(baudrate: int, **framing: object) -> Link:
    return Link(protocol=SBI, baudrate=baudrate, **{"parity": "O"} | framing)  # type: ignore[arg-type]


LINKS = (
    _link(9600),
    _link(19200),
    _link(1200),
    _link(1200, bytesize=7),
    _link(9600, bytesize=7),
    _link(9600, parity="N"),
)
"""As balances leave the factory. The protocol of the link does not matter: each is probed for all of them."""


async def probe(link: Link, transport: Transport, *, listen: float | None = None) -> Sequence[Found]:
    """Climb the ladder until somebody answers. Writes nothing but identity and print requests.

    Raises:
        ConnectionLostError: the port is gone.
    """
    if found := await _listen(link, transport, LISTEN if listen is None else listen):
        return [found]
    for step in (_ask_xbpi, _ask_sbi) if link.bytesize == 8 else (_ask_sbi,):
        if found := await step(link, transport):
            return [found]
    return []


async def _listen(link: Link, transport: Transport, seconds: float) -> Found | None:
    """A weight nobody asked for: automatic output, which must not be asked anything."""
    client = ProtocolClient(transport, SbiCodec())
    with anyio.move_on_after(seconds):
        while True:
            if tells((await client.listen()).reply):
                return _found(link, SBI, None, "balance that prints of itself", autoprint=True)
    return None


async def _ask_xbpi(link: Link, transport: Transport) -> Found | None:
    """Any intact reply is xBPI, an error reply too."""
    client = ProtocolClient(transport, XbpiCodec(), timeout=_timeout(link))
    try:
        await client.transact(XbpiRequest(0x02))
        who = await XbpiDialect(client, node=BALANCE).identify()
    except DeviceError:
        who = Identity(None)
    except ProtocolError:
        return None
    return _found(link, XBPI, BALANCE, _named(who))


async def _ask_sbi(link: Link, transport: Transport) -> Found | None:
    codec = SbiCodec()
    dialect = SbiDialect(Conversation(ProtocolClient(transport, codec, timeout=_timeout(link))), codec)
    try:
        await dialect.greet()
        who = await dialect.identify() if codec.identities else Identity(None)
    except DeviceError:
        who = Identity(None)
    except ProtocolError:
        return None
    return _found(link, SBI, None, _named(who))


def _timeout(link: Link) -> float:
    return max(TIMEOUT, 2 * link.seconds(PROBE_CHARACTERS))


def _named(who: Identity) -> str:
    return " ".join(part for part in (who.model, who.serial) if part) or "balance that does not say who it is"


def _found(link: Link, protocol: str, address: int | None, identity: str, **settings: bool) -> Found:
    serial: dict[str, str | int | float | bool] = {
        "baudrate": link.baudrate,
        "bytesize": link.bytesize,
        "parity": link.parity,
    }
    return Found(protocol, address, identity, serial | settings)
