"""How riglog opens a Modbus instrument that a file describes."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from riglog.device.frame_reader import FrameReader
from riglog.errors import ConfigError
from riglog.instrument import Description, Dialogue, InstrumentDriver
from riglog.plugin import DeviceContext
from riglog.protocol import Connection, TransactionCost
from riglog.protocol.modbus import connect_modbus
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_modbus.config import ASCII, RTU, TCP, ModbusConfig
from riglog_modbus.description import ModbusFormat
from riglog_modbus.device import ModbusInstrument
from riglog_modbus.load import poll_transactions
from riglog_modbus.samples import TABLES, Register

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient

SAMPLE = """\
format = 1
driver = "modbus"
title = "Make and model"
manual = [{ title = "Title of the manual", revision = "1.0" }]

[line]
baudrate = 9600
parity = "N"

[block.values]
source = "section and page of the manual"
function = 4                    # 3 holding registers, 4 input registers, 1 coils, 2 discrete inputs
type = "int16"

[block.values.channel]
temperature = { register = 0, scale = 0.1, unit = "degC" }
"""


class ModbusDriver(InstrumentDriver[ModbusConfig, "ModbusClient", Register]):
    name = "modbus"
    summary = "Modbus instruments that an instrument file describes: RTU, ASCII, TCP"
    protocols = (RTU, ASCII, TCP)
    config = ModbusConfig
    format = ModbusFormat()

    def check(self, config: ModbusConfig) -> None:
        super().check(config)
        for name in config.parameters:
            if not self.describe(config).quantities[name].readable:
                raise ConfigError(f"{name} cannot be read", hint="Remove it from parameters")
        if self.link(config).protocol == RTU and self.link(config).bytesize != 8:
            raise ConfigError("Modbus RTU requires 8 data bits", hint="Remove bytesize")

    def connect(self, connection: Connection) -> "ModbusClient":
        return connect_modbus(connection)

    def client_factory(self, link: Link) -> Callable[[Connection], "ModbusClient"]:
        return connect_modbus

    def address(self, config: ModbusConfig) -> int:
        return config.address

    def device(self, config: ModbusConfig, client: "ModbusClient", context: DeviceContext) -> ModbusInstrument:
        return ModbusInstrument(config, client, context, self.describe(config), self.selected(config))

    def simulator(self, config: ModbusConfig) -> Simulator:
        from riglog_modbus.simulator import ModbusSimulator

        return ModbusSimulator(self.link(config).protocol, config.address, self.describe(config))

    def frame_reader(self, config: ModbusConfig, context: DeviceContext) -> FrameReader[Any]:
        from riglog_modbus.tap import InstrumentReader

        return InstrumentReader(config, self.link(config), context, self.describe(config), self.selected(config))

    def transactions(self, config: ModbusConfig) -> Sequence[TransactionCost]:
        return poll_transactions(self.describe(config), self.selected(config), self.link(config).protocol)

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Return an energy meter."""
        return [{"name": "energy", "driver": self.name, "port": "energy-meter", "instrument": "eastron-sdm630"}]

    def place(self, name: str, quantity: Register, description: Description[Register]) -> str:
        order = f", {quantity.order.value}" if quantity.size > 1 and quantity.kind not in ("bits", "text") else ""
        size = f" of {quantity.size}" if quantity.kind in ("bits", "text") else ""
        return f"{TABLES[quantity.function]} {quantity.register}, {quantity.kind}{size}{order}"

    def sample_file(self) -> str:
        return SAMPLE

    async def draft(self, connection: Connection, options: Mapping[str, Any], dialogue: Dialogue) -> str:
        from riglog_modbus import probe

        return await probe.draft(connect_modbus(connection), options, dialogue)
