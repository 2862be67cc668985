"""What the drivers of instrument files have in common: the file, the selected quantities, the settings of the port."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from msgspec import Meta

from riglog.errors import ConfigError, did_you_mean
from riglog.instrument.description import AnyQuantity, Description
from riglog.instrument.format import Format
from riglog.plugin.config import DeviceConfig
from riglog.plugin.driver import Client, Driver
from riglog.plugin.names import try_each
from riglog.protocol import Connection, TransactionCost
from riglog.transport import Link

INSTRUMENT = 'the path of an instrument file, such as "meter.toml", or the name of one that the driver brings along'


class InstrumentConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a device that an instrument file describes. ``parameters``: its quantities; empty: those recorded."""

    file_keys: ClassVar[tuple[str, ...]] = ("instrument",)

    instrument: Annotated[str, Meta(min_length=1, max_length=4096, description=INSTRUMENT)]


AnyInstrumentConfig = TypeVar("AnyInstrumentConfig", bound=InstrumentConfig)


class Dialogue(Protocol):
    """The person for whom an instrument file is written: on the command line."""

    def show(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show a table."""

    def ask(self, question: str, default: str = "") -> str:
        """Return what the person answers."""


class InstrumentDriver(Driver[AnyInstrumentConfig, Client], Generic[AnyInstrumentConfig, Client, AnyQuantity]):
    """A driver whose instruments are described by files.

    Attributes:
        format: the format of its files.
    """

    format: Format[AnyQuantity]
    selects_parameters = True

    def describe(self, config: AnyInstrumentConfig) -> Description[AnyQuantity]:
        """Return the instrument that the file describes; raises as ``Format.load``."""
        return self.format.load(config.instrument)

    def trial_keys(self, instrument: str) -> Mapping[str, Any]:
        """Return the keys without which a device of this instrument file is refused, for its page and its trial."""
        return {}

    def files(self, config: AnyInstrumentConfig) -> Mapping[str, str]:
        return self.describe(config).texts

    def selected(self, config: AnyInstrumentConfig) -> tuple[str, ...]:
        """Return the quantities that are channels.

        Raises:
            ConfigError: the file has no such quantity, or one is named twice.
        """
        description = self.describe(config)
        quantities = description.quantities

        def check(name: str) -> None:
            if name not in quantities:
                hint = f"{did_you_mean(name, quantities)}Available: {', '.join(list(quantities)[:12])}"
                raise ConfigError(f"{config.instrument}: quantity {name!r} unknown", hint=hint)

        try_each(check, config.parameters)
        if len(set(config.parameters)) != len(config.parameters):
            raise ConfigError("parameters: a quantity is named twice", hint="Remove one of them")
        return config.parameters or description.recorded

    def check(self, config: AnyInstrumentConfig) -> None:
        self.selected(config)
        description = self.describe(config)
        if description.line.protocols and config.protocol not in (None, *description.line.protocols):
            raise ConfigError(
                f"protocol {config.protocol!r} is not one of {description.head.title}",
                hint=f"Available: {', '.join(description.line.protocols)}",
            )

    def link(self, config: AnyInstrumentConfig) -> Link:
        line = self.describe(config).line
        protocol = config.protocol or next(iter(line.protocols), self.protocols[0])
        return config.link_over(
            Link(
                protocol=protocol,
                baudrate=line.baudrate,
                bytesize=line.bytesize,
                parity=line.parity,
                stopbits=line.stopbits,
            )
        )

    def settable(self, config: AnyInstrumentConfig) -> Sequence[str]:
        quantities = self.describe(config).quantities
        return [name for name, quantity in quantities.items() if getattr(quantity, "writable", None) is not None]

    @abstractmethod
    def transactions(self, config: AnyInstrumentConfig) -> Sequence[TransactionCost]:
        """Return the requests of one poll."""

    @abstractmethod
    def place(self, name: str, quantity: AnyQuantity, description: Description[AnyQuantity]) -> str:
        """Return where a quantity is, for the documentation: ``input register 0, float32``."""

    @abstractmethod
    def sample_file(self) -> str:
        """Return an instrument file that is complete and short, as a start."""

    async def draft(self, connection: Connection, options: Mapping[str, Any], dialogue: Dialogue) -> str:
        """Return an instrument file for what responds on an opened port.

        Raises:
            ConfigError: an option is missing or invalid.
            ProtocolError, DeviceError: no reply.
        """
        return self.sample_file()
