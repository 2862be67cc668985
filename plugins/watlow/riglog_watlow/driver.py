"""How riglog opens a Watlow controller."""

from collections.abc import Mapping, Sequence
from typing import Any

from riglog.errors import ConfigError
from riglog.plugin import Client, Driver
from riglog.protocol import ProtocolClient
from riglog.transport import Link, Simulator, Transport
from riglog_watlow.access import StdBusAccess
from riglog_watlow.codec import BAUDRATE, StdBusCodec
from riglog_watlow.config import STDBUS, WatlowConfig
from riglog_watlow.controller import Controller
from riglog_watlow.parameters import registry
from riglog_watlow.plan import targets

LAST_STDBUS_ADDRESS = 16


class WatlowDriver(Driver[WatlowConfig]):
    name = "watlow"
    summary = "Watlow temperature controllers: EZ-ZONE PM over Standard Bus"
    protocols = (STDBUS,)
    config = WatlowConfig

    def check(self, config: WatlowConfig) -> None:
        protocol = self._protocol(config)
        if protocol not in self.protocols:
            raise ConfigError(f"watlow does not speak {protocol!r}", hint=f"protocols: {', '.join(self.protocols)}")
        if protocol == STDBUS and config.address > LAST_STDBUS_ADDRESS:
            hint = "Standard Bus addresses are 1 to 16; Modbus ones 1 to 247"
            raise ConfigError(f"address {config.address} is not possible on Standard Bus", hint=hint)
        targets(config, registry())

    def link(self, config: WatlowConfig) -> Link:
        return config.link_over(Link(protocol=self._protocol(config), baudrate=BAUDRATE))

    def connect(self, link: Link, transport: Transport) -> Client:
        return ProtocolClient[Any, Any](transport, StdBusCodec(), echo=link.echo)

    def device(self, config: WatlowConfig, client: Client) -> Controller:
        return Controller(config, StdBusAccess(client, config.address, config.timeout), self._protocol(config))

    def simulator(self, config: WatlowConfig) -> Simulator:
        from riglog_watlow.simulator import StdBusSimulator

        return StdBusSimulator(config.address)

    def address(self, config: WatlowConfig) -> int:
        return config.address

    def _protocol(self, config: WatlowConfig) -> str:
        return config.protocol or STDBUS

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Two controllers on one line and one on another."""
        return [
            {"name": "oven-1", "driver": "watlow", "port": "watlow-1", "protocol": "stdbus", "address": 1},
            {"name": "oven-2", "driver": "watlow", "port": "watlow-1", "protocol": "stdbus", "address": 2},
            {"name": "kiln", "driver": "watlow", "port": "watlow-2", "protocol": "stdbus", "address": 1},
        ]
