"""An opened port with everything a client needs to use it, handed over as one object."""

from msgspec import Struct

from riglog.model import SYSTEM_CLOCK, Clock
from riglog.transport import Link, Transport


class Connection(Struct, frozen=True):
    """``link``: protocol and settings of the port. ``clock``: the source of all stamps of the client."""

    transport: Transport
    link: Link
    clock: Clock = SYSTEM_CLOCK
