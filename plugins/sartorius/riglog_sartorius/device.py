"""A balance as a device: its channels, its polls, and weighing. Source: sections 3.7 to 3.10, 4.2."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
from msgspec import Struct

from riglog.device import DeviceContext, Safety, poll_reads
from riglog.errors import ConfigError, DeviceError
from riglog.model import Channel, Sample
from riglog.model.units import DEG_C
from riglog.protocol import HeldLine
from riglog_sartorius.base import SartoriusClient
from riglog_sartorius.config import Quantity, SartoriusConfig
from riglog_sartorius.errors import NotSettledError, OtherWeightError
from riglog_sartorius.identity import Identity
from riglog_sartorius.protocol import AnyLine
from riglog_sartorius.samples import Amount, Reading, State, temperature_sample, weight_sample
from riglog_sartorius.sbi.autoprint import AutoprintProtocol
from riglog_sartorius.service import Service

SETTLE_TIMEOUT, SETTLE_PAUSE = 10.0, 0.2
"""Seconds to wait for a stable value near zero after tare or zero, and between two readings."""

T = TypeVar("T")


class Snapshot(Struct, frozen=True):
    """One reading of everything; None for what is not available on this balance or over this protocol."""

    identity: Identity
    net: Reading | None
    state: State
    gross: Reading | None
    tare: Reading | None
    capacity: Amount | None
    increment: Amount | None
    temperature: Amount | None


class Balance(Service):
    """One balance, over xBPI or SBI, polled or in autoprint mode."""

    def __init__(self, config: SartoriusConfig, client: SartoriusClient, context: DeviceContext) -> None:
        super().__init__(config, client, context)
        self.channels = tuple(self._declared(config))

    async def open(self) -> None:
        await self._perform(self._protocol.handshake)

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        """Read the serial number; None in autoprint mode, in which it cannot be requested.

        What the handshake found out is kept after an interruption, so ``reconnected`` has nothing to read.
        """
        async with self._hold(line) as held:
            return await self._protocol.serial_number(held)

    async def poll(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        if isinstance(self._protocol, AutoprintProtocol):
            next_samples = partial(self._next_samples, self._protocol)
            return await poll_reads([self.channels], lambda channels: channels, next_samples, self.context.clock)
        async with self._hold(line) as held:

            async def read(channel: Channel) -> tuple[Sample]:
                if channel.parameter == Quantity.TEMPERATURE:
                    return (temperature_sample(channel, await self._protocol.temperature(held, channel.instance)),)
                return (weight_sample(channel, await self._protocol.read(held, Quantity(channel.parameter))),)

            return await poll_reads(self.channels, lambda channel: (channel,), read, self.context.clock)

    async def snapshot(self) -> Snapshot:
        """Read everything once."""
        return Snapshot(
            identity=await self.identify(),
            net=await _if_available(self.read_net()),
            state=await self.status(),
            gross=await _if_available(self.read_gross()),
            tare=await _if_available(self.read_tare_value()),
            capacity=await _if_available(self.capacity()),
            increment=await _if_available(self.increment()),
            temperature=await _if_available(self.temperature()),
        )

    async def read_net(self, hires: int = 0) -> Reading:
        """Read the net weight, in the unit of the display.

        Args:
            hires: 1 or 2 decimals more than the display has; xBPI only.
        """
        return await self._read(Quantity.NET, hires)

    async def read_gross(self, hires: int = 0) -> Reading:
        """Read net plus tare; over SBI only while the balance prints it, labelled G."""
        return await self._read(Quantity.GROSS, hires)

    async def read_tare_value(self, hires: int = 0) -> Reading:
        """Read the stored tare, which is a memory, not a measurement; xBPI only."""
        return await self._read(Quantity.TARE, hires)

    async def status(self) -> State:
        """Read stability, overload, underload, and what else the balance reports about its state."""
        return await self._perform(self._protocol.state)

    async def tare(self, *, confirm: bool = False) -> None:
        """Tare, as the tare key does: zero or tare, whichever applies. STATEFUL.

        Over SBI the command has no reply, so the weight is read until it is stable near zero. In autoprint mode nothing
        may be requested; the lines that follow show whether it was executed.

        Raises:
            NotSettledError: sent, but no stable value near zero followed.
        """
        await self._set_zero("tare", confirm, self._protocol.tare)

    async def zero(self, *, confirm: bool = False) -> None:
        """Set zero. STATEFUL. Never starts an adjustment: over SBI this is ``ESC V``, not ``ESC Z``.

        An xBPI balance has no value for about two seconds afterwards.

        Raises:
            NotSettledError: sent, but no stable value near zero followed.
        """
        await self._set_zero("zero", confirm, self._protocol.zero)

    async def _read(self, quantity: Quantity, hires: int) -> Reading:
        if hires not in (0, 1, 2):
            raise ConfigError(f"invalid hires {hires}; expected 0, 1 or 2 additional decimals", device=self.name)
        return await self._perform(lambda line: self._protocol.read(line, quantity, hires=hires))

    async def _read_displayed(self) -> Reading:
        """Read the weight on the display: gross, if the balance prints that instead of net."""
        try:
            return await self._read(Quantity.NET, 0)
        except OtherWeightError:
            return await self._read(Quantity.GROSS, 0)

    async def _next_samples(self, protocol: AutoprintProtocol, channels: Sequence[Channel]) -> list[Sample]:
        quantities, reading = await protocol.next_reading()
        return [weight_sample(channel, reading) for channel in channels if channel.parameter in quantities]

    async def _set_zero(self, name: str, confirm: bool, command: Callable[[AnyLine], Awaitable[None]]) -> None:
        """Tare or zero, and wait until the command was executed."""
        read = partial(self._confirm_near_zero, name) if self._protocol.confirms_by_reading else None
        await self._change(Safety.STATEFUL, name, confirm, command, wait_done=read)

    async def _confirm_near_zero(self, name: str) -> None:
        """Read until the weight is stable near zero."""
        with anyio.move_on_after(SETTLE_TIMEOUT):
            while not (await self._read_displayed()).near_zero:
                await anyio.sleep(SETTLE_PAUSE)
            return
        raise NotSettledError(
            f"{name} sent, but no stable value near zero within {SETTLE_TIMEOUT:g} s",
            hint="Check that the balance is at rest, and its display, before repeating the command",
        )

    def _declared(self, config: SartoriusConfig) -> Iterator[Channel]:
        """The unit of a weight is not declared: it can be changed at the panel, and every sample has its own."""
        for quantity in config.quantities:
            is_temperature = quantity is Quantity.TEMPERATURE
            for instance in config.sensors if is_temperature else (1,):
                yield self.context.channel(
                    quantity.value,
                    parameter_id=self._protocol.parameter_ids.get(quantity),
                    instance=instance,
                    unit=DEG_C if is_temperature else None,
                )


async def _if_available(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except DeviceError:
        return None
