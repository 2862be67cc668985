"""One Watlow controller: its channels, its loops, and every call of a user.

The same calls over Standard Bus and Modbus, for every family.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from riglog.device import DeviceContext, PortDevice, poll_reads
from riglog.errors import ConfigError, UnsupportedError
from riglog.model import Channel, Sample
from riglog.plugin import AnyClient
from riglog.protocol import HeldLine
from riglog_watlow.channels import configured_targets, require_available
from riglog_watlow.config import WatlowConfig
from riglog_watlow.connect import protocol_for
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.identity import Identity, part_number, serial_number
from riglog_watlow.parameters import registry
from riglog_watlow.poll_plan import ChannelRead, PollPlan, Reader, depends_on
from riglog_watlow.protocol import AnyTransactor
from riglog_watlow.samples import UnitContext, declared_unit, label_of
from riglog_watlow.targets import Target, check_instance, parse_target
from riglog_watlow.writer import require_writable, write

BY_INPUT = {4, 7, 8}
"""Parameter classes of the EZ-ZONE whose instance is an input or its loop."""

HARDWARE = {"28": "ARM", "19": "Freescale"}


class Snapshot(Struct, frozen=True):
    """A controller at one time; every sample has its own stamp."""

    identity: Identity
    samples: tuple[Sample, ...]


class Controller(PortDevice[AnyClient]):
    """One controller on a port. Sends nothing before ``open``."""

    _plan: PollPlan

    def __init__(self, config: WatlowConfig, client: AnyClient, context: DeviceContext) -> None:
        super().__init__(client, context)
        self.config = config
        self.facts = config.facts
        self.registry = registry(self.facts.family)
        self.protocol = protocol_for(config, client)
        self._process_signals: dict[int, bool] = {}
        self._bind_channels()

    async def open(self) -> None:
        await self._read_setup(self.client)
        self._bind_channels()

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        """Read the serial number."""
        async with self.client.hold(line) as line:
            return await self._serial_number(line)

    async def reconnected(self, line: HeldLine[Any, Any] | None = None) -> None:
        """Read units, layout and inputs again, as they may have been changed at the panel. The channels stay."""
        async with self.client.hold(line) as line:
            await self._read_setup(line)
        reads = [self._channel_read(read.target, read.channel) for read in self._plan.reads]
        self._plan = PollPlan(reads, self.protocol)

    async def poll(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        async with self.client.hold(line) as line:
            reader = self._reader(line)
            samples = await poll_reads(self._plan.reads, _channels_of, reader.read, self.context.clock)
        by_channel = {sample.channel: sample for sample in samples}
        return [by_channel[channel] for channel in self.channels]

    async def read_parameter(self, name_or_id: str | int, instance: int = 1) -> Sample:
        """Read one parameter now.

        Raises:
            ConfigError: unknown or write-only parameter, or invalid instance; nothing was sent.
            UnsupportedError: not available on this model, or over this protocol.
            ProtocolError: no reply, or an invalid one.
        """
        target = check_instance(Target(self.registry.find(name_or_id), instance))
        if not target.parameter.readable:
            raise ConfigError(f"{target} is write-only")
        read = self._channel_read(target)
        async with self.client.hold() as line:
            return await self._reader(line, retries=1).sample(read)

    async def read_parameters(self, names: Iterable[str]) -> list[Sample]:
        """Read several now (``setpoint``, ``alarm_state[3]``, ``7001``); what cannot be read is a missing sample."""
        reads = [self._channel_read(parse_target(name, self.registry)) for name in names]
        async with self.client.hold() as line:
            return await poll_reads(reads, _channels_of, self._reader(line).read, self.context.clock)

    async def write_parameter(
        self, name_or_id: str | int, value: float | int | str, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        """Write one parameter, in the unit or with the label in which it is read; return the value read back.

        Set points and most others are stored in EEPROM, rated for about 1,000,000 writes. A value that is stored
        already is not written again.

        Raises:
            ConfigError: unknown parameter or invalid instance.
            WriteRefusedError: read-only, not confirmed, or an invalid value; nothing was changed.
            DeviceError: the controller refused it, or reports another value afterwards.
            ProtocolError: it is not known whether it was written.
        """
        target = check_instance(Target(self.registry.find(name_or_id), instance))
        require_writable(target, confirm)
        read = self._channel_read(target)
        async with self.client.hold() as line:
            sample = await write(self._reader(line, retries=1), read, self.facts, value, wrote=self.wrote)
            if target.parameter.write_class == "communication":
                await self.reconnected(line)
        return sample

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        return await self.write_parameter(name, value, instance, confirm=confirm)

    def loop(self, number: int) -> "Loop":
        """Return control loop 1 or 2.

        Raises:
            ConfigError: the family has fewer loops.
        """
        if not 1 <= number <= self.facts.loops:
            available = "loops 1 to 2" if self.facts.loops > 1 else "loop 1 only"
            raise ConfigError(f"invalid loop {number}", hint=f"{self.facts.family} has {available}")
        return Loop(self, number)

    async def read_pv(self) -> Sample:
        return await self.loop(1).read_pv()

    async def read_setpoint(self) -> Sample:
        return await self.loop(1).read_setpoint()

    async def set_setpoint(self, value: float, *, confirm: bool = False) -> Sample | None:
        return await self.loop(1).set_setpoint(value, confirm=confirm)

    async def read_alarms(self) -> list[Sample]:
        """Return the state of every alarm that is in use."""
        states = []
        for name, instance, alarm_type in self.facts.alarms:
            with suppress(UnsupportedError):
                if alarm_type is None or (await self.read_parameter(alarm_type, instance)).text != "Off":
                    states.append(await self.read_parameter(name, instance))
        return states

    async def identify(self) -> Identity:
        """Read everything by which the controller can be identified."""
        line = self.client
        model, number = await self._text(line, "device_name"), await self._text(line, "part_number")
        firmware = [text for name in ("firmware_id", "software_revision") if (text := await self._text(line, name))]
        manufactured = await self._text(line, "date_of_manufacture")
        return Identity(
            self.facts.family,
            model,
            part_number(number) if number else None,
            await self._serial_number(line),
            HARDWARE.get(await self._text(line, "hardware_id") or ""),
            ".".join(firmware) or None,
            int(manufactured) if manufactured else None,
        )

    async def snapshot(self) -> Snapshot:
        """Read identity and state: what is polled, the mode, the PID terms and the alarms."""
        samples = await self.poll()
        samples += await self.read_parameters(self.facts.modes)
        samples += (await self.loop(1).read_pid()).values()
        samples += await self.read_alarms()
        return Snapshot(await self.identify(), tuple(samples))

    def _bind_channels(self) -> None:
        """Make channels and poll plan according to the configuration and the set-up that was read."""
        reads = [self._channel_read(target) for target in configured_targets(self.config)]
        self.channels = tuple(read.channel for read in reads)
        self._plan = PollPlan(reads, self.protocol)

    async def _read_setup(self, line: AnyTransactor) -> None:
        """Read how values are transmitted, and which inputs do not measure a temperature."""
        await self.protocol.read_setup(line)
        self._process_signals = await self._read_process_signals(line)

    async def _read_process_signals(self, line: AnyTransactor) -> dict[int, bool]:
        if self.facts.process_signal is None:
            return {}
        name, labels = self.facts.process_signal
        parameter = self.registry.find(name)
        is_process_signal = {}
        for instance in {1, *self.config.instances} & set(parameter.instances):
            with suppress(ParameterAbsentError):
                raw = await self.protocol.read_one(line, Target(parameter, instance))
                is_process_signal[instance] = label_of(parameter, raw.value) in labels
        return is_process_signal

    def _reader(self, line: AnyTransactor, *, retries: int = 0) -> Reader:
        unit = self.config.temperature_unit
        return Reader(line, self.protocol, self._plan.blocks, unit, self.context.clock, retries=retries)

    def _channel_read(self, target: Target, channel: Channel | None = None) -> ChannelRead:
        """Return what to read for a target, and its channel with the unit as far as it is known.

        Raises:
            UnsupportedError: this protocol cannot transmit it.
        """
        require_available(target, self.config.wire_protocol)
        parameter, is_process_signal = target.parameter, self._is_process_signal(target)
        if channel is None:
            units = UnitContext(self.protocol.units, self.config.temperature_unit, is_process_signal)
            channel = self.context.channel(
                parameter.name,
                parameter_id=parameter.id,
                instance=target.instance,
                unit=declared_unit(parameter, units),
            )
        companions, settings = depends_on(target, self.registry), self.protocol.display_settings(parameter)
        targets = (target, *companions, *settings)
        return ChannelRead(channel, target, companions, settings, is_process_signal, targets)

    def _is_process_signal(self, target: Target) -> bool:
        """Return whether the unit of a target is unknown, because its input does not measure a temperature.

        A target that is not tied to one input has a known unit only if all inputs measure a temperature.
        """
        if (target.parameter.id or 0) // 1000 in BY_INPUT:
            return self._process_signals.get(target.instance, False)
        return any(self._process_signals.values())

    async def _serial_number(self, line: AnyTransactor) -> str | None:
        return serial_number(self.facts.family, [await self._text(line, name) for name in self.facts.serial])

    async def _text(self, line: AnyTransactor, name: str) -> str | None:
        """Return a parameter's value as text; None if it is not available on this model or over this protocol."""
        if name not in self.registry:
            return None
        try:
            sample = await self._reader(line, retries=1).sample(self._channel_read(Target(self.registry.find(name))))
        except UnsupportedError:
            return None
        return None if sample.value is None else str(sample.value)


class Loop:
    """One control loop of a controller. Sends nothing by itself."""

    def __init__(self, controller: Controller, number: int) -> None:
        self.controller = controller
        self.number = number
        self._pid = controller.facts.pid

    async def read_pv(self) -> Sample:
        """Read the process value; a sample without a value while the sensor has an error."""
        return await self.controller.read_parameter("process_value", self.number)

    async def read_setpoint(self) -> Sample:
        return await self.controller.read_parameter("setpoint", self.number)

    async def set_setpoint(self, value: float, *, confirm: bool = False) -> Sample | None:
        """Write the set point, in the unit that ``read_setpoint`` returns. Raises as ``write_parameter``."""
        return await self.controller.write_parameter("setpoint", value, self.number, confirm=confirm)

    async def read_output(self) -> Sample:
        """Read the output power; the heat power of models that do not report the output power."""
        try:
            return await self.controller.read_parameter("output_power", self.number)
        except UnsupportedError:
            if "heat_power" not in self.controller.registry:
                raise
            return await self.controller.read_parameter("heat_power", self.number)

    async def read_pid(self) -> dict[str, Sample]:
        """Read the PID terms by name: ``proportional_band``, ``integral``, ``derivative`` and what the model adds."""
        terms = {}
        for term, parameter in self._pid.items():
            with suppress(UnsupportedError):
                terms[term] = await self.controller.read_parameter(parameter, self.number)
        return terms

    async def write_pid(self, *, confirm: bool = False, **terms: float) -> dict[str, Sample | None]:
        """Write PID terms by the names of ``read_pid``, one after the other. Raises as ``write_parameter``.

        Raises:
            ConfigError: unknown term; nothing was written.
        """
        if unknown := set(terms) - set(self._pid):
            raise ConfigError(
                f"unknown PID term {', '.join(sorted(unknown))}", hint=f"Available: {', '.join(self._pid)}"
            )
        return {
            term: await self.controller.write_parameter(self._pid[term], value, self.number, confirm=confirm)
            for term, value in terms.items()
        }


def _channels_of(read: ChannelRead) -> Sequence[Channel]:
    return (read.channel,)
