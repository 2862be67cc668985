"""The driver of Sartorius balances."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from riglog.device import DeviceContext, Pace
from riglog.device.frame_reader import FrameReader
from riglog.plugin import Driver, Found
from riglog.protocol import Connection, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_sartorius import config as settings
from riglog_sartorius import load
from riglog_sartorius.base import SartoriusClient
from riglog_sartorius.config import SartoriusConfig
from riglog_sartorius.connect import connect, usual_link
from riglog_sartorius.device import Balance
from riglog_sartorius.parameters import BY_NAME, NAMES


class SartoriusDriver(Driver[SartoriusConfig, SartoriusClient]):
    """Balances and weigh cells: Cubis, WZA, BCE and others with xBPI or SBI."""

    name = "sartorius"
    summary = "Sartorius balances: xBPI, SBI, SBI autoprint"
    protocols = settings.PROTOCOLS
    config = SartoriusConfig
    selects_parameters: ClassVar[bool] = True

    def check(self, config: SartoriusConfig) -> None:
        settings.check(config)

    def link(self, config: SartoriusConfig) -> Link:
        return usual_link(config)

    def connect(self, connection: Connection) -> SartoriusClient:
        return connect(connection)

    def device(self, config: SartoriusConfig, client: SartoriusClient, context: DeviceContext) -> Balance:
        return Balance(config, client, context)

    def simulator(self, config: SartoriusConfig) -> Simulator:
        from riglog_sartorius.simulator import simulator

        return simulator(config)

    def frame_reader(self, config: SartoriusConfig, context: DeviceContext) -> FrameReader[Any]:
        from riglog_sartorius.tap import reader_for

        return reader_for(config, self.link(config), context)

    def transactions(self, config: SartoriusConfig) -> Sequence[TransactionCost]:
        return load.transactions(config)

    def links_to_probe(self) -> Sequence[Link]:
        from riglog_sartorius.probe import LINKS

        return LINKS

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        from riglog_sartorius.probe import probe

        return await probe(connection, listen=listen)

    def pace(self, config: SartoriusConfig) -> Pace:
        return Pace.DEVICE if config.autoprint else Pace.HOST

    def settable(self, config: SartoriusConfig) -> Sequence[str]:
        return list(BY_NAME)

    def canonical_name(self, config: SartoriusConfig, name: str) -> str | None:
        return settings.NAMES.find(name) or NAMES.find(name)

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Return a balance that is polled ten times a second, and one in autoprint mode."""
        polled = {"name": "balance", "port": "sartorius-1", "protocol": "xbpi", "rate_hz": 10.0}
        autoprint = {"name": "dispenser", "port": "sartorius-2", "protocol": "sbi", "autoprint": True}
        return [{"driver": self.name, **table} for table in (polled, autoprint)]
