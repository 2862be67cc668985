"""How riglog opens a Watlow controller."""

from collections.abc import Mapping, Sequence
from typing import Any

from riglog.errors import ConfigError
from riglog.plugin import Client, Driver, Found
from riglog.protocol import ProtocolClient, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link, Transport
from riglog_watlow.config import WatlowConfig
from riglog_watlow.controller import Controller
from riglog_watlow.families import MODBUS, STDBUS
from riglog_watlow.parameters import PM, registry
from riglog_watlow.plan import targets
from riglog_watlow.stdbus.access import StdBusAccess
from riglog_watlow.stdbus.codec import BAUDRATE, StdBusCodec

LAST_STDBUS_ADDRESS = 16


class WatlowDriver(Driver[WatlowConfig]):
    name = "watlow"
    summary = "Watlow temperature controllers: EZ-ZONE PM, Series SD, Series F4P"
    protocols = (STDBUS, *MODBUS)
    config = WatlowConfig

    def check(self, config: WatlowConfig) -> None:
        protocol, facts = config.wire_protocol, config.facts
        if protocol not in facts.protocols:
            raise ConfigError(
                f"{facts.family} does not speak {protocol!r}", hint=f"it has {', '.join(facts.protocols)}"
            )
        if protocol == STDBUS:
            _check_stdbus(config)
        elif facts.family != PM:
            _refuse(config, ("register_map", "word_order"), f"{facts.family} knows only one")
        targets(config, registry(facts.family))

    def link(self, config: WatlowConfig) -> Link:
        protocol = config.wire_protocol
        baudrate = BAUDRATE if protocol == STDBUS else config.facts.baudrate
        return config.link_over(Link(protocol=protocol, baudrate=baudrate))

    def connect(self, link: Link, transport: Transport) -> Client:
        if link.protocol == STDBUS:
            return ProtocolClient[Any, Any](transport, StdBusCodec(), echo=link.echo)
        from riglog.protocol.modbus.client import ModbusClient

        return ModbusClient(transport, link)

    def device(self, config: WatlowConfig, client: Client) -> Controller:
        if config.wire_protocol == STDBUS:
            return Controller(config, StdBusAccess(client, config.address, config.timeout))
        from riglog.protocol.modbus.client import ModbusClient
        from riglog_watlow.modbus.access import ModbusAccess

        assert isinstance(client, ModbusClient)
        return Controller(config, ModbusAccess(client.unit(config.address, timeout=config.timeout), config))

    def simulator(self, config: WatlowConfig) -> Simulator:
        from riglog_watlow.simulator import simulator

        return simulator(config)

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Two controllers on one line, one on another, and one that speaks Modbus."""
        return [
            {"name": "oven-1", "driver": "watlow", "port": "watlow-1", "protocol": "stdbus", "address": 1},
            {"name": "oven-2", "driver": "watlow", "port": "watlow-1", "protocol": "stdbus", "address": 2},
            {"name": "kiln", "driver": "watlow", "port": "watlow-2", "protocol": "stdbus", "address": 1},
            {"name": "dryer", "driver": "watlow", "port": "watlow-3", "protocol": "modbus-rtu", "address": 1},
        ]

    def transactions(self, config: WatlowConfig) -> Sequence[TransactionCost]:
        from riglog_watlow.budget import transactions

        return transactions(config, self.link(config))

    def links_to_probe(self) -> Sequence[Link]:
        from riglog_watlow.probe import LINKS

        return LINKS

    async def probe(self, link: Link, transport: Transport, *, listen: float | None = None) -> Sequence[Found]:
        from riglog_watlow.probe import probe

        return await probe(self.connect(link, transport), link)

    def address(self, config: WatlowConfig) -> int | str:
        return config.place


def _check_stdbus(config: WatlowConfig) -> None:
    if config.address > LAST_STDBUS_ADDRESS:
        hint = "Standard Bus addresses are 1 to 16; Modbus ones 1 to 247"
        raise ConfigError(f"address {config.address} is not possible on Standard Bus", hint=hint)
    for_modbus = ("register_map", "word_order", "zone", "register_offset", "wire_temperature_unit")
    _refuse(config, for_modbus, "Standard Bus has no such thing")


def _refuse(config: WatlowConfig, settings: Sequence[str], why: str) -> None:
    for setting in settings:
        if getattr(config, setting) is not None:
            raise ConfigError(f"{setting} cannot be set here: {why}")
