"""The driver: from a `[[device]]` table to a device that is polled."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from riglog.device.frame_reader import FrameReader
from riglog.errors import DeviceError, ProtocolError
from riglog.plugin import DeviceConfig, DeviceContext, Driver, Found
from riglog.protocol import Connection, ProtocolClient, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_alicat import protocol
from riglog_alicat.device import UNIT_CHECK, Alicat
from riglog_alicat.identity import parse_identity
from riglog_alicat.protocol import AlicatCodec, Client

PROTOCOL = "alicat-ascii"
BAUDRATES = (19200, 115200, 38400, 57600, 9600)
LETTERS_TO_PROBE = "ABCDEFGH"


class AlicatConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of this driver.

    ``address``: the unit id. ``unit_check``: seconds for which the units count as proven.
    """

    address: Annotated[str, Meta(pattern=r"^[A-Z]\Z", description="the unit id, a letter from A to Z")] = "A"
    unit_check: Annotated[float, Meta(ge=0, le=86400)] | None = None


class AlicatDriver(Driver[AlicatConfig, Client]):
    name = "alicat"
    summary = "Alicat mass flow and pressure meters and controllers"
    protocols = (PROTOCOL,)
    config = AlicatConfig

    def link(self, config: AlicatConfig) -> Link:
        return config.link_over(Link(protocol=PROTOCOL, baudrate=BAUDRATES[0]))

    def address(self, config: AlicatConfig) -> str:
        return config.address

    def connect(self, connection: Connection) -> Client:
        return ProtocolClient(connection, AlicatCodec(), timeout=0.5, retries=1)

    def device(self, config: AlicatConfig, client: Client, context: DeviceContext) -> Alicat:
        return Alicat(config.address, config.unit_check, client, context)

    def simulator(self, config: AlicatConfig) -> Simulator:
        from riglog_alicat.simulator import AlicatSimulator

        return AlicatSimulator(config.address)

    def frame_reader(self, config: AlicatConfig, context: DeviceContext) -> FrameReader[Any]:
        from riglog_alicat.tap import AlicatReader

        return AlicatReader(config.address, context)

    def transactions(self, config: AlicatConfig) -> Sequence[TransactionCost]:
        """A flow controller with current firmware: a frame, and one or all of its units if each poll has them."""
        frame = TransactionCost(sent=2, received=49, turnaround=0.002)
        seconds = UNIT_CHECK if config.unit_check is None else config.unit_check
        units = 4 if not seconds else 1 if (config.rate_hz or 1.0) * seconds <= 1.0 else 0
        return [frame, *[TransactionCost(sent=7, received=9, turnaround=0.002)] * units]

    def settable(self, config: AlicatConfig) -> Sequence[str]:
        return ["setpoint"]

    def links_to_probe(self) -> Sequence[Link]:
        return [Link(protocol=PROTOCOL, baudrate=baudrate) for baudrate in BAUDRATES]

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        client = self.connect(connection)
        found: list[Found] = []
        for letter in LETTERS_TO_PROBE:
            try:
                await client.transact(protocol.frame(letter), timeout=0.15)
                who = parse_identity((await client.transact(protocol.identity(letter))).reply)
            except (ProtocolError, DeviceError):
                continue
            link = connection.link
            found.append(Found(PROTOCOL, letter, str(who), {"address": letter, "baudrate": link.baudrate}))
        return found

    def demo(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"name": "argon", "port": "alicat-1", "address": "A"},
            {"name": "nitrogen", "port": "alicat-1", "address": "B"},
        ]
