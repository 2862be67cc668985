"""How riglog opens a Servomex analyser."""

from collections.abc import Mapping, Sequence
from typing import Any

from riglog.errors import ConfigError
from riglog.plugin import Client, Driver, Found
from riglog.protocol import ProtocolClient, TransactionCost
from riglog.protocol.modbus import framing_of
from riglog.simulation import Simulator
from riglog.transport import Link, Transport
from riglog_servomex.analyzer import Analyzer
from riglog_servomex.config import ASCII, BAUDRATES, CONTINUOUS, RTU, ServomexConfig
from riglog_servomex.plan import spans
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS, find_position
from riglog_servomex.registers import ANALYSER_BITS

USUAL_BAUDRATE = 19200
THINKING, LEAST_TIMEOUT = 0.5, 1.0
"""Seconds: what an answer may take besides its time on the wire, and what every answer gets at least."""
CALL_RETRIES = 2
ANSWER_DELAY = 0.03
REQUEST, REPLY_HEAD = 5, 2
"""Bytes of a read request, and of its reply before the data."""


class ServomexDriver(Driver[ServomexConfig]):
    name = "servomex"
    summary = "Servomex SERVOPRO 4000-series gas analysers: Modbus RTU, Modbus ASCII, continuous ASCII"
    protocols = (RTU, ASCII, CONTINUOUS)
    config = ServomexConfig

    def check(self, config: ServomexConfig) -> None:
        link = self.link(config)
        if link.baudrate not in BAUDRATES:
            choice = ", ".join(map(str, BAUDRATES))
            raise ConfigError(f"the analyser has no baud rate {link.baudrate}", hint=f"it has {choice}")
        if link.protocol == RTU and link.bytesize != 8:
            raise ConfigError("Modbus RTU needs 8 data bits", hint="leave bytesize out")
        if link.protocol != CONTINUOUS and (config.period is not None or config.silence is not None):
            raise ConfigError("period and silence belong to the continuous protocol", hint="leave them out for Modbus")
        for name in config.parameters:
            find_position(name)

    def link(self, config: ServomexConfig) -> Link:
        return config.link_over(Link(protocol=config.protocol or RTU, baudrate=USUAL_BAUDRATE))

    def connect(self, link: Link, transport: Transport) -> Client:
        if link.protocol == CONTINUOUS:
            from riglog_servomex.broadcast import BroadcastCodec

            return ProtocolClient[Any, Any](transport, BroadcastCodec())
        from riglog.protocol.modbus.client import ModbusClient

        return ModbusClient(transport, link)

    def device(self, config: ServomexConfig, client: Client) -> Analyzer:
        if self.address(config) is None:
            from riglog_servomex.broadcast_access import BroadcastAccess

            return Analyzer(config, BroadcastAccess(client, config.period, config.silence), CONTINUOUS, None)
        from riglog.protocol.modbus.client import ModbusClient
        from riglog_servomex.modbus_access import ModbusAccess

        assert isinstance(client, ModbusClient), "equal links have equal clients"
        client.widen_gap(config.idle)
        thinking, least = (THINKING, LEAST_TIMEOUT) if config.timeout is None else (config.timeout, 0.0)
        polled, patient = (
            client.unit(config.address, timeout=thinking, least=least, retries=retries)
            for retries in (config.retries, CALL_RETRIES)
        )
        return Analyzer(config, ModbusAccess(polled, patient), client.link.protocol, config.address)

    def simulator(self, config: ServomexConfig) -> Simulator:
        from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator

        protocol = config.protocol or RTU
        if protocol == CONTINUOUS:
            return BroadcastSimulator(period=config.period or 1.0)
        return ModbusSimulator(protocol, config.address)

    def address(self, config: ServomexConfig) -> int | None:
        """A broadcaster has none: it cannot share a port."""
        return None if config.protocol == CONTINUOUS else config.address

    def transactions(self, config: ServomexConfig) -> Sequence[TransactionCost]:
        """The three requests of a sweep. A broadcaster takes no time that anybody else could use."""
        if self.address(config) is None:
            return ()
        size = framing_of(self.link(config).protocol).size
        wanted = [find_position(name) for name in config.parameters] or list(POSITIONS.values())
        (span,) = spans(wanted, 0)
        sizes = (span.size * BITS // 8, ANALYSER_BITS // 8, span.size * REGISTERS * 2)
        return [TransactionCost(size(REQUEST), size(REPLY_HEAD + data), ANSWER_DELAY, config.idle) for data in sizes]

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """One analyser that is asked, one that broadcasts."""
        return [
            {"name": "stack-gas", "driver": "servomex", "port": "servomex-1", "protocol": RTU, "address": 30},
            {"name": "glovebox", "driver": "servomex", "port": "servomex-2", "protocol": CONTINUOUS, "period": 1.0},
        ]

    def links_to_probe(self) -> Sequence[Link]:
        """Listening comes first: it disturbs nobody."""
        rates = (USUAL_BAUDRATE, 9600)
        return [Link(protocol=protocol, baudrate=rate) for rate in rates for protocol in (CONTINUOUS, RTU, ASCII)]

    async def probe(self, link: Link, transport: Transport, *, listen: float | None = None) -> Sequence[Found]:
        from riglog_servomex import probe

        if link.protocol == CONTINUOUS:
            seconds = probe.LISTEN_SECONDS if listen is None else listen
            return await probe.probe_broadcast(self.connect(link, transport), link, seconds=seconds)
        from riglog.protocol.modbus.client import ModbusClient

        return await probe.probe_modbus(ModbusClient(transport, link), link)
