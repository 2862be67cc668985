"""One SERVOPRO 4000-series analyzer: its channels, its status, and its autocalibration."""

from collections import defaultdict
from typing import Any

from riglog.device import (
    DeviceContext,
    Pace,
    PortDevice,
    Safety,
    StatedFacts,
    missing,
    poll_reads,
)
from riglog.model import Channel, Sample
from riglog.protocol import HeldLine
from riglog_servomex.config import ServomexConfig
from riglog_servomex.positions import Position, find_position
from riglog_servomex.protocol import ServomexClient, protocol_for
from riglog_servomex.samples import (
    MODEL,
    AnalyzerStatus,
    Flags,
    Identity,
    Phase,
    Read,
    Reading,
    Readings,
    Snapshot,
    channel_of,
    identity_of,
    present,
    sample_of,
    select_channels,
)


class Analyzer(PortDevice[ServomexClient]):
    """The same calls over Modbus and broadcast. ``open`` finds out which channels are present.

    Over broadcast nothing can be requested: every call waits for the next frame, which a recorder then does not get.
    So do not call anything but ``snapshot`` while a recorder polls.
    """

    def __init__(self, config: ServomexConfig, client: ServomexClient, context: DeviceContext) -> None:
        super().__init__(client, context)
        self.config = config
        self._protocol = protocol_for(config, client)
        self.pace = self._protocol.pace
        self._channels: dict[str, Channel] = {}
        self._labelled: frozenset[str] = frozenset()
        self._facts: defaultdict[str, StatedFacts] = defaultdict(StatedFacts)
        self._last_readings: dict[str, Reading] = {}
        self._last_status: AnalyzerStatus | None = None

    async def open(self) -> None:
        async with self.client.hold() as line:
            readings = await self._protocol.discover(line)
            polled = select_channels(self.config, readings)
            await self._protocol.select(line, [reading.position for reading in polled])
        self._facts.clear()
        self._unproven(readings)
        self._labelled = frozenset([reading.position.id for reading in polled if reading.name is not None])
        self._remember(readings)
        self._channels = {reading.position.id: self._channel(reading) for reading in polled}
        self.channels = tuple(self._channels.values())

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        """Return the gas channels that are present: nothing else distinguishes two analyzers of the series.

        Without retries: a Manager calls it for devices that may not respond, while other devices on the bus wait.
        """
        async with self.client.hold(line) as line:
            return identity_of(await self._protocol.read_identity(line))

    async def reconnected(self, line: HeldLine[Any, Any] | None = None) -> None:
        async with self.client.hold(line) as line:
            await self._protocol.reconnected(line)

    async def poll(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        async with self.client.hold(line) as line:
            samples = await poll_reads(self._protocol.reads(line), self._channels_of, self._perform, self.context.clock)
        by_channel = {sample.channel: sample for sample in samples}
        return [by_channel.get(channel) or self._absent(channel) for channel in self.channels]

    async def read_channel(self, channel: str) -> Sample:
        """Read one channel by its id, whether it is polled or not.

        Raises:
            ConfigError: the id is unknown; nothing was sent.
            ChannelAbsentError, ModbusExceptionError: this analyzer does not have the channel.
            ProtocolError: no valid reply.
        """
        reading = await self._read(find_position(channel))
        return self._sample(reading, unproven=not self._facts[reading.position.id].agree(reading.facts))

    async def read_all(self) -> list[Sample]:
        """Read every channel that is polled."""
        return await self.poll()

    async def status(self, channel: str) -> Flags:
        """Read the flags of one channel; raises as ``read_channel``."""
        return (await self._read(find_position(channel))).flags

    async def analyzer_status(self) -> AnalyzerStatus:
        """Read the status of the analyzer itself: faults, calibration groups, clock."""
        async with self.client.hold() as line:
            self._last_status = await self._protocol.read_analyzer(line)
        return self._last_status

    async def identify(self) -> Identity:
        """Read which channels are present, with their names and units."""
        async with self.client.hold() as line:
            readings = await self._protocol.discover(line)
        self._remember(readings)
        channels = ((reading.position.id, reading.name, reading.unit.symbol) for reading in present(readings))
        return Identity(MODEL, tuple(channels))

    def snapshot(self) -> Snapshot:
        """Return what was read last, with its stamps. Nothing is read, and nothing in it is a new sample."""
        return Snapshot(tuple(self._last_readings.values()), self._last_status, self._protocol.frames_discarded)

    async def calibration_status(self) -> tuple[Phase, Phase, Phase, Phase]:
        """Read the phases of the calibration groups 1 to 4."""
        return (await self.analyzer_status()).groups

    async def start_calibration(self, group: int, *, confirm: bool = False) -> None:
        """Request autocalibration of a group. It moves gas valves; it may be queued, or ignored without an error.

        Raises:
            ConfirmationError, UnsupportedError, ConfigError: nothing was sent.
            StartUnknownError: not confirmed by the analyzer; it may run nevertheless.
            CoilLeftSetError: the request coil may still be set; until it is cleared, the next request has no effect.
        """
        self.confirm_change(Safety.STATEFUL, f"starting autocalibration of group {group}", confirm)
        await self._protocol.start_calibration(
            group, lambda state: self.wrote(f"autocalibration of group {group} {state}")
        )

    async def stop_calibration(self, *, confirm: bool = False) -> None:
        """Stop all autocalibrations, also those started on the panel; raises as ``start_calibration``."""
        self.confirm_change(Safety.STATEFUL, "stopping all autocalibrations", confirm)
        await self._protocol.stop_calibration(lambda state: self.wrote(f"stop of all autocalibrations {state}"))

    async def _read(self, position: Position) -> Reading:
        async with self.client.hold() as line:
            reading = await self._protocol.read_channel(line, position)
            if self._unproven({position.id: reading}) and self.pace is Pace.HOST:
                reading = await self._protocol.read_channel(line, position)
                self._unproven({position.id: reading})
        self._remember({position.id: reading})
        return reading

    async def _perform(self, read: Read) -> list[Sample]:
        """Perform one part of a poll; once more if it states what earlier readings did not: see ``StatedFacts``."""
        readings = await read.perform()
        unproven = self._unproven(readings)
        if unproven and self.pace is Pace.HOST:
            readings = await read.perform()
            unproven = self._unproven(readings)
        self._remember(readings)
        found = [readings[position.id] for position in read.positions if position.id in readings]
        return [self._sample(reading, unproven=reading.position.id in unproven) for reading in found]

    def _unproven(self, readings: Readings) -> set[str]:
        """Return the channels whose readings state a name or a unit that the readings before did not."""
        return {channel for channel, reading in readings.items() if not self._facts[channel].prove(reading.facts)}

    def _remember(self, readings: Readings) -> None:
        """Keep readings for ``snapshot``."""
        for channel, reading in readings.items():
            self._last_readings[channel] = reading
            self._last_status = reading.analyzer or self._last_status

    def _sample(self, reading: Reading, *, unproven: bool) -> Sample:
        if reading.name is None and reading.position.id in self._labelled:
            reading = reading.without_value("no value: the channel has no name any more, so it may not be fitted")
        channel = self._channels.get(reading.position.id) or self._channel(reading)
        return sample_of(channel, reading, self.config.concentration_unit, unproven=unproven)

    def _channel(self, reading: Reading) -> Channel:
        return channel_of(self.context, reading, self.config.concentration_unit)

    def _channels_of(self, read: Read) -> list[Channel]:
        return [self._channels[position.id] for position in read.positions]

    def _absent(self, channel: Channel) -> Sample:
        return missing([channel], "channel missing from the reply", self.context.clock, responded=True)[0]
