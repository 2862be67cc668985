"""The driver of Watlow controllers: from a configuration to a client, a device and a simulator."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from riglog.device import DeviceContext
from riglog.device.frame_reader import FrameReader
from riglog.plugin import AnyClient, Driver, Found
from riglog.protocol import Connection, TransactionCost
from riglog.protocol.modbus import connect_modbus
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_watlow.channels import check
from riglog_watlow.config import WatlowConfig
from riglog_watlow.connect import connect
from riglog_watlow.device import Controller
from riglog_watlow.families import MODBUS, STDBUS
from riglog_watlow.parameters import registry


class WatlowDriver(Driver[WatlowConfig, AnyClient]):
    name = "watlow"
    summary = "Watlow temperature controllers: EZ-ZONE PM, Series SD, Series F4P"
    protocols = (STDBUS, *MODBUS)
    config = WatlowConfig
    selects_parameters = True

    def check(self, config: WatlowConfig) -> None:
        check(config)

    def link(self, config: WatlowConfig) -> Link:
        return config.link

    def connect(self, connection: Connection) -> AnyClient:
        return connect(connection)

    def client_factory(self, link: Link) -> Callable[[Connection], AnyClient]:
        return self.connect if link.protocol == STDBUS else connect_modbus

    def device(self, config: WatlowConfig, client: AnyClient, context: DeviceContext) -> Controller:
        return Controller(config, client, context)

    def simulator(self, config: WatlowConfig) -> Simulator:
        from riglog_watlow.simulator import simulator

        return simulator(config)

    def frame_reader(self, config: WatlowConfig, context: DeviceContext) -> FrameReader[Any]:
        from riglog_watlow.tap import reader_for

        return reader_for(config, context)

    def transactions(self, config: WatlowConfig) -> Sequence[TransactionCost]:
        from riglog_watlow.load import transactions

        return transactions(config)

    def links_to_probe(self) -> Sequence[Link]:
        from riglog_watlow.probe import LINKS

        return LINKS

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        from riglog_watlow.probe import probe

        return await probe(connection)

    def address(self, config: WatlowConfig) -> int | str:
        return config.bus_address

    def settable(self, config: WatlowConfig) -> Sequence[str]:
        return [parameter.name for parameter in registry(config.facts.family) if parameter.writable]

    def canonical_name(self, config: WatlowConfig, name: str) -> str | None:
        return registry(config.facts.family).names.find(name)

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Return two controllers on one port, one on another, and one over Modbus."""
        return [
            {"name": "oven-1", "driver": "watlow", "port": "watlow-1", "protocol": "stdbus", "address": 1},
            {"name": "oven-2", "driver": "watlow", "port": "watlow-1", "protocol": "stdbus", "address": 2},
            {"name": "kiln", "driver": "watlow", "port": "watlow-2", "protocol": "stdbus", "address": 1},
            {"name": "dryer", "driver": "watlow", "port": "watlow-3", "protocol": "modbus-rtu", "address": 1},
        ]
