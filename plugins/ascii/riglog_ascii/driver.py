"""How riglog opens an instrument with an ASCII protocol that a file describes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import structs

from riglog.device import Pace
from riglog.device.frame_reader import FrameReader
from riglog.errors import ConfigError
from riglog.instrument import Description, Dialogue, InstrumentDriver
from riglog.plugin import DeviceContext
from riglog.protocol import Connection, TransactionCost
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_ascii.config import ASCII, AsciiConfig
from riglog_ascii.description import AsciiFormat, has_address, line_of, options_of, streams
from riglog_ascii.device import AsciiInstrument, StreamingInstrument
from riglog_ascii.lines.codec import AsciiClient
from riglog_ascii.lines.protocol import address_text
from riglog_ascii.load import poll_transactions
from riglog_ascii.samples import AsciiQuantity

SAMPLE = """\
format = 1
driver = "ascii"
title = "Make and model"
manual = [{ title = "Title of the manual", revision = "1.0" }]

[line]
baudrate = 9600
terminator = "\\r\\n"

[read.temperature]
source = "section and page of the manual"
request = "T?"
replies = ["{temperature:number} {unit:word}"]

[read.temperature.channel]
temperature = { unit_from = "unit" }
unit = { units = { C = "degC", F = "degF" }, record = false }
"""


class AsciiDriver(InstrumentDriver[AsciiConfig, AsciiClient, AsciiQuantity]):
    name = "ascii"
    summary = "Instruments with an ASCII protocol that an instrument file describes"
    protocols = (ASCII,)
    config = AsciiConfig
    format = AsciiFormat()

    def check(self, config: AsciiConfig) -> None:
        super().check(config)
        description = self.describe(config)
        if has_address(description) and config.address is None:
            raise ConfigError(
                f"address: missing; requests of {description.head.title} have one", hint="Add address = 1"
            )
        if not has_address(description) and config.address is not None:
            raise ConfigError(f"requests of {description.head.title} have no address", hint="Remove address")
        digits = line_of(description).address_digits
        if config.address is not None and len(str(config.address)) > digits:
            raise ConfigError(f"address {config.address} has more than {digits} digits", hint="Use a smaller one")

    def trial_keys(self, instrument: str) -> Mapping[str, Any]:
        return {"address": 1} if has_address(self.format.load(instrument)) else {}

    def link(self, config: AsciiConfig) -> Link:
        link = super().link(config)
        return structs.replace(link, echo=True) if line_of(self.describe(config)).echo else link

    def connect(self, connection: Connection) -> AsciiClient:
        return AsciiClient(connection)

    def client_factory(self, link: Link) -> Callable[[Connection], AsciiClient]:
        return AsciiClient

    def address(self, config: AsciiConfig) -> int | None:
        return config.address

    def pace(self, config: AsciiConfig) -> Pace:
        return Pace.DEVICE if streams(self.describe(config)) else Pace.HOST

    def device(self, config: AsciiConfig, client: AsciiClient, context: DeviceContext) -> AsciiInstrument:
        description = self.describe(config)
        kind = StreamingInstrument if streams(description) else AsciiInstrument
        return kind(config, client, context, description, self.selected(config))

    def settable(self, config: AsciiConfig) -> Sequence[str]:
        return () if streams(self.describe(config)) else super().settable(config)

    def simulator(self, config: AsciiConfig) -> Simulator:
        from riglog_ascii.simulator import AsciiSimulator

        description = self.describe(config)
        return AsciiSimulator(description, address_text(config, description))

    def frame_reader(self, config: AsciiConfig, context: DeviceContext) -> FrameReader[Any]:
        from riglog_ascii.tap import LineReader

        return LineReader(config, context, self.describe(config), self.selected(config))

    def transactions(self, config: AsciiConfig) -> Sequence[TransactionCost]:
        description = self.describe(config)
        return poll_transactions(description, self.selected(config), address_text(config, description))

    def demo(self) -> Sequence[Mapping[str, Any]]:
        """Return a balance."""
        return [{"name": "sics-balance", "driver": self.name, "port": "sics-balance", "instrument": "mettler-mt-sics"}]

    def place(self, name: str, quantity: AsciiQuantity, description: Description[AsciiQuantity]) -> str:
        options = options_of(description, name)
        return f"{options.request or 'without request'} : {options.replies[0]}"

    def sample_file(self) -> str:
        return SAMPLE

    async def draft(self, connection: Connection, options: Mapping[str, Any], dialogue: Dialogue) -> str:
        from riglog_ascii import probe

        return await probe.draft(AsciiClient(connection), options, dialogue)
