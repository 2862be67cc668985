"""How riglog opens a Servomex analyzer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from riglog.device import Pace
from riglog.device.frame_reader import FrameReader
from riglog.errors import ConfigError
from riglog.plugin import DeviceContext, Driver, Found, try_each
from riglog.protocol import Connection, TransactionCost
from riglog.protocol.modbus import connect_modbus
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_servomex.config import ASCII, BAUDRATES, CONTINUOUS, RTU, ServomexConfig
from riglog_servomex.continuous.codec import BroadcastClient
from riglog_servomex.device import Analyzer
from riglog_servomex.load import poll_transactions
from riglog_servomex.positions import NAMES, POSITIONS, find_position
from riglog_servomex.protocol import ServomexClient

USUAL_BAUDRATE = 19200


class ServomexDriver(Driver[ServomexConfig, ServomexClient]):
    name = "servomex"
    summary = "Servomex SERVOPRO 4000-series gas analyzers: Modbus RTU, Modbus ASCII, continuous ASCII"
    protocols = (RTU, ASCII, CONTINUOUS)
    config = ServomexConfig
    selects_parameters = True

    def check(self, config: ServomexConfig) -> None:
        link = self.link(config)
        if link.baudrate not in BAUDRATES:
            choice = ", ".join(map(str, BAUDRATES))
            raise ConfigError(f"baud rate {link.baudrate} is not supported by the analyzer", hint=f"Use {choice}")
        if link.protocol == RTU and link.bytesize != 8:
            raise ConfigError("Modbus RTU requires 8 data bits", hint="Remove bytesize")
        if link.protocol == CONTINUOUS:
            check_frame_timeout(config)
        elif config.period is not None or config.silence is not None:
            raise ConfigError('period and silence apply only to protocol = "continuous"', hint="Remove them for Modbus")
        try_each(find_position, config.parameters)

    def link(self, config: ServomexConfig) -> Link:
        return config.link_over(Link(protocol=config.protocol or RTU, baudrate=USUAL_BAUDRATE))

    def connect(self, connection: Connection) -> ServomexClient:
        return self.client_factory(connection.link)(connection)

    def client_factory(self, link: Link) -> Callable[[Connection], ServomexClient]:
        return BroadcastClient if link.protocol == CONTINUOUS else connect_modbus

    def device(self, config: ServomexConfig, client: ServomexClient, context: DeviceContext) -> Analyzer:
        return Analyzer(config, client, context)

    def simulator(self, config: ServomexConfig) -> Simulator:
        from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator

        protocol = config.protocol or RTU
        if protocol == CONTINUOUS:
            return BroadcastSimulator(period=config.period or 1.0)
        return ModbusSimulator(protocol, config.address)

    def frame_reader(self, config: ServomexConfig, context: DeviceContext) -> FrameReader[Any]:
        from riglog_servomex.tap import reader_for

        return reader_for(config, self.link(config), context)

    def address(self, config: ServomexConfig) -> int | None:
        """Return the Modbus address. A broadcast carries none, so the port cannot be shared."""
        return None if config.protocol == CONTINUOUS else config.address

    def transactions(self, config: ServomexConfig) -> Sequence[TransactionCost]:
        return poll_transactions(config, self.link(config).protocol)

    def pace(self, config: ServomexConfig) -> Pace:
        return Pace.DEVICE if config.protocol == CONTINUOUS else Pace.HOST

    def settable(self, config: ServomexConfig) -> Sequence[str]:
        return ()

    def canonical_name(self, config: ServomexConfig, name: str) -> str | None:
        known = NAMES.find(name)
        return None if known is None else POSITIONS[known].parameter

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Return an analyzer over Modbus, and an analyzer in continuous mode."""
        return [
            {"name": "stack-gas", "driver": "servomex", "port": "servomex-1", "protocol": RTU, "address": 30},
            {"name": "glovebox", "driver": "servomex", "port": "servomex-2", "protocol": CONTINUOUS, "period": 1.0},
        ]

    def links_to_probe(self) -> Sequence[Link]:
        """Return the links to probe. Listening comes first: it disturbs no other device."""
        rates = (USUAL_BAUDRATE, 9600)
        return [Link(protocol=protocol, baudrate=rate) for rate in rates for protocol in (CONTINUOUS, RTU, ASCII)]

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        from riglog_servomex import probe

        if connection.link.protocol == CONTINUOUS:
            seconds = probe.LISTEN_SECONDS if listen is None else listen
            return await probe.probe_broadcast(BroadcastClient(connection), seconds=seconds)
        return await probe.probe_modbus(connect_modbus(connection))


def check_frame_timeout(config: ServomexConfig) -> None:
    """Refuse a frame timeout that is given twice, or in which no frame can arrive.

    Raises:
        ConfigError: it is.
    """
    if config.timeout is not None and config.silence is not None:
        raise ConfigError("timeout and silence mean the same in continuous mode", hint="Remove timeout or silence")
    seconds, period = config.frame_timeout, config.period
    if seconds is not None and period is not None and seconds < period:
        key = "timeout" if config.silence is None else "silence"
        raise ConfigError(
            f"{key}: {seconds:g} s is shorter than the broadcast period of {period:g} s",
            hint=f"Use more than two periods ({2 * period + 1:g} s), or remove {key}",
        )
