"""How riglog opens a Sartorius balance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from riglog.plugin import Client, Driver, Found
from riglog.protocol import Codec, ProtocolClient, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link, Transport
from riglog_sartorius import config as settings
from riglog_sartorius.config import SBI, XBPI, SartoriusConfig
from riglog_sartorius.dialect import Quantity

if TYPE_CHECKING:
    from riglog_sartorius.balance import Balance

SHORTEST_TIMEOUT = 1.0
TIMEOUT_CHARACTERS = 170
"""A request and the longest reply seen are 60 characters; the rest is for the balance. 1.5 s at 1200 baud."""

THINKING = 0.005
"""Seconds between request and reply; a Cubis at 19200 baud needs 11 to 29 ms for both and the wire."""

READS = {
    Quantity.NET: TransactionCost(7, 21, THINKING),
    Quantity.GROSS: TransactionCost(5, 12, THINKING),
    Quantity.TARE: TransactionCost(5, 12, THINKING),
    Quantity.TEMPERATURE: TransactionCost(7, 9, THINKING),
}
PRINT = TransactionCost(4, 22, THINKING)


class SartoriusDriver(Driver[SartoriusConfig]):
    """Balances and weigh cells: Cubis, WZA, BCE and others that speak xBPI or SBI."""

    name = "sartorius"
    summary = "Sartorius balances: xBPI, SBI, SBI automatic output"
    protocols = settings.PROTOCOLS
    config = SartoriusConfig

    def check(self, config: SartoriusConfig) -> None:
        settings.check(config)

    def link(self, config: SartoriusConfig) -> Link:
        return config.link_over(Link(protocol=config.wire, baudrate=9600, bytesize=8, parity="O"))

    def connect(self, link: Link, transport: Transport) -> Client:
        from riglog_sartorius.sbi.codec import SbiCodec
        from riglog_sartorius.xbpi.codec import XbpiCodec

        codec: Codec[Any, Any] = XbpiCodec() if link.protocol == XBPI else SbiCodec()
        timeout = max(SHORTEST_TIMEOUT, link.seconds(TIMEOUT_CHARACTERS))
        return ProtocolClient(transport, codec, timeout=timeout, echo=link.echo)

    def device(self, config: SartoriusConfig, client: Client) -> "Balance":
        from riglog_sartorius.balance import Balance

        return Balance(config, client)

    def simulator(self, config: SartoriusConfig) -> Simulator:
        from riglog_sartorius.simulator import simulator

        return simulator(config)

    def transactions(self, config: SartoriusConfig) -> Sequence[TransactionCost]:
        if config.autoprint:
            return ()
        if config.wire == SBI:
            return [PRINT]
        per_read = {Quantity.TEMPERATURE: len(config.sensors)}
        return [READS[quantity] for quantity in config.quantities for _ in range(per_read.get(quantity, 1))]

    def links_to_probe(self) -> Sequence[Link]:
        from riglog_sartorius.probe import LINKS

        return LINKS

    async def probe(self, link: Link, transport: Transport, *, listen: float | None = None) -> Sequence[Found]:
        from riglog_sartorius.probe import probe

        return await probe(link, transport, listen=listen)

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """A balance that is asked ten times a second, and one that prints of itself."""
        asked = {"name": "balance", "port": "sartorius-1", "protocol": "xbpi", "rate_hz": 10.0}
        printing = {"name": "dispenser", "port": "sartorius-2", "protocol": "sbi", "autoprint": True}
        return [{"driver": self.name, **table} for table in (asked, printing)]
