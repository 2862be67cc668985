"""One SERVOPRO 4000-series analyser: what it reports, and its autocalibration."""

from collections.abc import Sequence

from riglog.device import Device, Pace, Safety, missing, poll_reads, require_confirmation
from riglog.errors import UnsupportedError
from riglog.model import Channel, Sample
from riglog_servomex import calibration
from riglog_servomex.access import Access, Read, Readings
from riglog_servomex.config import ServomexConfig
from riglog_servomex.fitted import chosen, identity_of, present
from riglog_servomex.meaning import channel_of, sample_of
from riglog_servomex.modbus_access import ModbusAccess
from riglog_servomex.positions import Position, find_position
from riglog_servomex.reading import MODEL, AnalyserStatus, Flags, Identity, Phase, Reading, Snapshot


class Analyzer(Device):
    """The same words over Modbus and broadcast. Which channels there are is found out by ``open``.

    Over broadcast nothing can be asked: every call waits for the next frame, so none may be made while a recorder
    polls; ``snapshot`` may.
    """

    def __init__(self, config: ServomexConfig, access: Access, protocol: str, address: int | None) -> None:
        self.config = config
        self.name = config.name
        self.rate_hz = config.rate_hz
        self.pace = access.pace
        self.protocol = protocol
        self.address = address
        self._access = access
        self._channels: dict[str, Channel] = {}

    async def open(self) -> None:
        async with self._access.client.turn:
            polled = chosen(self.config, await self._access.discover())
            await self._access.choose([reading.position for reading in polled])
        self._channels = {reading.position.id: self._channel(reading) for reading in polled}
        self.channels = tuple(self._channels.values())

    async def identity(self) -> str | None:
        """Which gas channels it has: all that tells one analyser from another. Over broadcast, of the last frame.

        Asked without patience: a Manager asks it of devices that may be dead, and neighbours wait.
        """
        return identity_of(await self._look(patient=False) if self.pace is Pace.HOST else self._access.last)

    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        async with self._access.client.turn:
            reads = self._access.reads()
            samples = await poll_reads(reads, self._channels_of, self._take, self._access.client.clock)
        by_parameter = {sample.parameter: sample for sample in samples}
        return [by_parameter.get(channel.parameter) or self._absent(channel) for channel in self.channels]

    async def read_channel(self, channel: str) -> Sample:
        """One channel by its id, read now, whether it is polled or not.

        Raises:
            ConfigError: no such channel; nothing was sent.
            ChannelAbsentError, ModbusExceptionError: this analyser does not have it.
            ProtocolError: no answer.
        """
        reading = await self._read(find_position(channel))
        return self._sample(reading, None)

    async def read_all(self) -> list[Sample]:
        """Every channel that is polled, read now."""
        return await self.poll()

    async def status(self, channel: str) -> Flags:
        """The flags of one channel, read now; raises as ``read_channel``."""
        return (await self._read(find_position(channel))).flags

    async def analyser_status(self) -> AnalyserStatus:
        """Faults, calibration groups and clock of the analyser itself, read now."""
        async with self._access.client.turn:
            return await self._access.read_analyser()

    async def identify(self) -> Identity:
        """Every channel that is there, with name and unit, read now."""
        found = present(await self._look())
        return Identity(MODEL, tuple((one.position.id, one.name, one.unit.said) for one in found))

    def snapshot(self) -> Snapshot:
        """What was read last, with its stamps. Nothing is read; this is never a new sample."""
        return Snapshot(tuple(self._access.last.values()), self._access.analyser)

    async def calibration_status(self) -> tuple[Phase, Phase, Phase, Phase]:
        """What each of the groups 1 to 4 is doing, read now."""
        return (await self.analyser_status()).groups

    async def start_calibration(self, group: int, *, confirm: bool = False) -> None:
        """Ask for autocalibration of a group. It moves gas valves; it may be queued, or silently not be carried out.

        Raises:
            ConfirmationError, UnsupportedError, ConfigError: refused here, nothing was sent.
            StartUnknownError: nobody confirmed it; it may run all the same.
            CoilLeftSetError: the request may still stand, so that the next one would not be seen.
        """
        require_confirmation(Safety.STATEFUL, f"starting calibration of group {group}", confirm, device=self.name)
        access = self._asked("calibration cannot be started")
        await self._pulse(access, calibration.coil_of(group), f"calibration of group {group}")

    async def stop_calibration(self, *, confirm: bool = False) -> None:
        """Stop every calibration, whoever started it; raises as ``start_calibration``."""
        require_confirmation(Safety.STATEFUL, "stopping all calibrations", confirm, device=self.name)
        access = self._asked("calibration cannot be stopped")
        await self._pulse(access, calibration.STOP_COIL, "stop of all calibrations")

    async def _pulse(self, access: ModbusAccess, coil: int, what: str) -> None:
        await calibration.pulse(access.patient, coil, lambda said: self.wrote(f"{what} {said}"))

    def _asked(self, what: str) -> ModbusAccess:
        """The access over which something can be asked.

        Raises:
            UnsupportedError: the analyser only broadcasts.
        """
        if not isinstance(self._access, ModbusAccess):
            hint = "set the analyser to Modbus at its panel"
            raise UnsupportedError(f"{what}: in continuous mode the analyser hears nothing", hint=hint)
        return self._access

    async def _look(self, *, patient: bool = True) -> Readings:
        """Everything that is there, read now."""
        async with self._access.client.turn:
            return await self._access.discover(patient=patient)

    async def _read(self, position: Position) -> Reading:
        async with self._access.client.turn:
            return await self._access.read_one(position)

    async def _take(self, read: Read) -> list[Sample]:
        found = await read.take()
        return [self._sample(found[one.id], self._access.analyser) for one in read.positions if one.id in found]

    def _sample(self, reading: Reading, analyser: AnalyserStatus | None) -> Sample:
        channel = self._channels.get(reading.position.id) or self._channel(reading)
        return sample_of(channel, reading, analyser, self.config.concentration_unit)

    def _channel(self, reading: Reading) -> Channel:
        return channel_of(reading, self.name, self.protocol, self.address, self.config.concentration_unit)

    def _channels_of(self, read: Read) -> list[Channel]:
        return [self._channels[position.id] for position in read.positions]

    def _absent(self, channel: Channel) -> Sample:
        return missing([channel], "the channel did not come with the answer", self._access.client.clock)[0]
