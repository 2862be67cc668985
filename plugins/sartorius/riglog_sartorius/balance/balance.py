"""The balance as a device: its channels, and one poll of them."""

from collections.abc import Awaitable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from riglog.device import poll_reads
from riglog.errors import DeviceError
from riglog.model import Channel, Sample, Status, missing_sample
from riglog.model.units import DEG_C
from riglog.plugin import Client
from riglog_sartorius.balance.metrology import Metrology
from riglog_sartorius.balance.part import Amount
from riglog_sartorius.balance.service import Service
from riglog_sartorius.balance.settings import Settings
from riglog_sartorius.balance.weighing import Weighing
from riglog_sartorius.config import XBPI, SartoriusConfig
from riglog_sartorius.dialect import Quantity, State
from riglog_sartorius.identity import Identity
from riglog_sartorius.reading import Reading, sample_of
from riglog_sartorius.speaking import dialect_for

T = TypeVar("T")

OPCODES = {Quantity.NET: 0x1E, Quantity.GROSS: 0x20, Quantity.TARE: 0x22, Quantity.TEMPERATURE: 0x76}


class Snapshot(Struct, frozen=True):
    """Everything at one look; None for what this balance or this protocol does not have."""

    identity: Identity
    net: Reading
    state: State
    gross: Reading | None
    tare: Reading | None
    capacity: Amount | None
    increment: Amount | None
    temperature: Amount | None


class Balance(Weighing, Settings, Metrology, Service):
    """One balance, over xBPI, over SBI, or listened to while it prints."""

    def __init__(self, config: SartoriusConfig, client: Client) -> None:
        self.name = config.name
        self.rate_hz = config.rate_hz
        self._client = client
        self._dialect = dialect_for(config, client)
        self.pace = self._dialect.pace
        self.channels = tuple(_channels(config))

    async def open(self) -> None:
        with self._here():
            await self._dialect.greet()

    async def identity(self) -> str | None:
        """The serial number; None while the balance prints of itself, as it may not be asked then."""
        with self._here():
            return await self._dialect.serial_number()

    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        if names is not None and self.name not in names:
            return []
        return await poll_reads(self.channels, lambda channel: (channel,), self._take, self._client.clock)

    async def snapshot(self) -> Snapshot:
        """Read everything there is to read once."""
        return Snapshot(
            identity=await self.identify(),
            net=await self.read_net(),
            state=await self.status(),
            gross=await self._if_any(self.read_gross()),
            tare=await self._if_any(self.read_tare_value()),
            capacity=await self._if_any(self.capacity()),
            increment=await self._if_any(self.increment()),
            temperature=await self._if_any(self.temperature()),
        )

    async def _take(self, channel: Channel) -> tuple[Sample]:
        if channel.parameter != Quantity.TEMPERATURE:
            return (sample_of(channel, await self._dialect.read(Quantity(channel.parameter))),)
        amount = await self.temperature(channel.instance)
        if amount.value is None:
            return (missing_sample(channel, amount.stamp, Status.FAULT, "no such sensor is fitted"),)
        return (Sample(channel=channel, stamp=amount.stamp, value=amount.value, unit=amount.unit),)

    @staticmethod
    async def _if_any(reading: Awaitable[T]) -> T | None:
        try:
            return await reading
        except DeviceError:
            return None


def _channels(config: SartoriusConfig) -> Iterator[Channel]:
    """The unit of a weight is not declared: it may be changed at the panel; every sample says its own."""
    asked = config.wire == XBPI
    for quantity in config.quantities:
        warm = quantity is Quantity.TEMPERATURE
        for instance in config.sensors if warm else (1,):
            yield Channel(
                device=config.name,
                driver="sartorius",
                protocol=config.wire,
                address=config.address if asked else None,
                parameter=quantity.value,
                parameter_id=OPCODES[quantity] if asked else None,
                instance=instance,
                unit=DEG_C if warm else None,
            )
