"""One Watlow controller: its channels, its loops, and every call of a user.

The same calls over Standard Bus and Modbus, for every family.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from msgspec import Struct

from riglog.device import DeviceContext, PortDevice, poll_reads
from riglog.device.proof_input import MAX_TIME
from riglog.errors import ConfigError, ReplyTimeoutError, UnsupportedError, WrongInstrumentError
from riglog.model import Channel, Sample
from riglog.plugin import AnyClient
from riglog.protocol import HeldLine
from riglog_watlow.channel_read import ChannelRead, PollPlan, companions_of, input_error_of
from riglog_watlow.channels import configured_targets, require_available
from riglog_watlow.config import WatlowConfig
from riglog_watlow.connect import protocol_for
from riglog_watlow.errors import SETUP_CHANGED, SetupChangedError
from riglog_watlow.identity import Identity, part_number, serial_number
from riglog_watlow.inputs import input_settings_of, is_latched, latch_setting_of
from riglog_watlow.parameters import PM, registry
from riglog_watlow.proofs import Proofs
from riglog_watlow.protocol import AnyTransactor
from riglog_watlow.reader import Reader, Relearned
from riglog_watlow.samples import declared_unit
from riglog_watlow.targets import Target, check_instance, parse_target
from riglog_watlow.writer import require_writable, write

MAX_SETUP_READS = 3
"""How often the set-up is read until it does not contradict itself."""

HARDWARE = {"28": "ARM", "19": "Freescale"}


class Snapshot(Struct, frozen=True):
    """A controller at one time; every sample has its own stamp."""

    identity: Identity
    samples: tuple[Sample, ...]


class Controller(PortDevice[AnyClient]):
    """One controller on a port. Sends nothing before ``open``."""

    _plan: PollPlan
    _is_set_up = True  # False: reading the set-up has failed, so that no value is proven

    def __init__(self, config: WatlowConfig, client: AnyClient, context: DeviceContext) -> None:
        super().__init__(client, context)
        self.config = config
        self.facts = config.facts
        self.registry = registry(self.facts.family)
        self.protocol = protocol_for(config, client)
        self._proofs = Proofs(config, self.protocol, context.clock)
        self._bind_channels()

    async def open(self) -> None:
        self._proofs.forget()
        try:
            await self._read_setup(self.client)
        except ReplyTimeoutError as error:
            if error.reason == "no_reply" and self.facts.family == PM and self.context.protocol == "modbus-rtu":
                error.hint = (
                    "Check power, wiring, address, baud rate and parity; `riglog discover` tries the usual ones. A new "
                    'EZ-ZONE uses Standard Bus, whatever was ordered: then set protocol = "stdbus"'
                )
            raise
        self._bind_channels()

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        """Read the serial number."""
        async with self.client.hold(line) as line:
            return await self._serial_number(line)

    async def reconnected(self, line: HeldLine[Any, Any] | None = None) -> None:
        """Read units, layout and inputs again, as they may have been changed at the panel. The channels stay."""
        async with self.client.hold(line) as line:
            self._proofs.forget()
            await self._relearn(line)

    async def poll(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        return await self._poll(line)

    async def poll_steadily(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        return await self._poll(line, steady=self.config.input_check != "every")

    async def settle(self, line: HeldLine[Any, Any] | None = None) -> None:
        """Check the inputs whose values wait for it."""
        async with self.client.hold(line) as line:
            await self._proofs.settle(line)

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
            reader = await self._reader(line, retries=1)
            return await reader.sample(read)

    async def read_parameters(self, names: Iterable[str]) -> list[Sample]:
        """Read several now (``setpoint``, ``alarm_state[3]``, ``7001``); what cannot be read is a missing sample."""
        reads = [self._channel_read(parse_target(name, self.registry)) for name in names]
        async with self.client.hold() as line:
            reader = await self._reader(line)
            return await reader.each(reads)

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
        require_writable(target, lambda tier, what: self.confirm_change(tier, what, confirm, parameter=str(target)))
        read = self._channel_read(target)
        async with self.client.hold() as line:
            reader = await self._reader(line, retries=1)
            sample = await write(reader, read, self.facts, value, writing=self.writing)
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

    async def _poll(self, line: HeldLine[Any, Any] | None, *, steady: bool = False) -> list[Sample]:
        async def set_up_and_poll(line: AnyTransactor) -> list[Sample]:
            await self._relearn(line)
            return await self._new_reader(line, steady=steady).poll()

        async with self.client.hold(line) as line:
            if self._is_set_up:
                samples = await self._new_reader(line, steady=steady).poll()
            else:  # reading the set-up can fail, too
                samples = await poll_reads((line,), lambda _: self.channels, set_up_and_poll, self.context.clock)
        by_channel = {sample.channel: sample for sample in samples}
        return [by_channel[channel] for channel in self.channels]

    def _bind_channels(self) -> None:
        """Make channels and poll plan according to the configuration and the set-up that was read."""
        reads = [self._channel_read(target) for target in configured_targets(self.config)]
        self.channels = tuple(read.channel for read in reads)
        self._plan = PollPlan(reads, self.protocol)

    async def _read_setup(self, line: AnyTransactor) -> None:
        """Read how values are transmitted, and the settings on which those of the channels depend.

        Something may be changed at the panel meanwhile: what contradicts itself is read again.
        """
        self._is_set_up = False
        for attempt in range(1, MAX_SETUP_READS + 1):
            try:
                await self._read_setup_once(line)
            except (SetupChangedError, WrongInstrumentError):
                if attempt == MAX_SETUP_READS:
                    raise
            else:
                break
        self._is_set_up = True

    async def _read_setup_once(self, line: AnyTransactor) -> None:
        await self.protocol.read_setup(line)
        targets = configured_targets(self.config)
        await self._proofs.learn(line, dict.fromkeys(one for target in targets for one in self._settings_of(target)))
        if not self.protocol.is_shown_by(self._proofs.settings):
            raise SetupChangedError(SETUP_CHANGED)
        for target in targets:
            for latch in latch_setting_of(target, self.facts, self.config.latched_check):
                if not is_latched(latch, self._proofs.settings, self.facts):
                    raise UnsupportedError(
                        f"input_check above {MAX_TIME} s proves nothing: {latch} is off",
                        hint="Set `input_check` to 0.1 or less, or let the controller latch input errors",
                    )

    async def _relearn(self, line: AnyTransactor) -> Relearned:
        """Read the set-up again. The channels stay; in which blocks they are read may change."""
        await self._read_setup(line)
        targets = configured_targets(self.config)
        reads = [self._channel_read(target, channel) for target, channel in zip(targets, self.channels, strict=True)]
        self._plan = PollPlan(reads, self.protocol)
        return Relearned(self._plan, lambda read: self._channel_read(read.target, read.channel))

    async def _reader(self, line: AnyTransactor, *, retries: int = 0) -> Reader:
        if not self._is_set_up:
            await self._relearn(line)
        return self._new_reader(line, retries=retries)

    def _new_reader(self, line: AnyTransactor, *, retries: int = 0, steady: bool = False) -> Reader:
        proofs, clock = self._proofs, self.context.clock
        return Reader(line, proofs, self._plan, self._relearn, clock, retries=retries, steady=steady)

    def _channel_read(self, target: Target, channel: Channel | None = None) -> ChannelRead:
        """Return what to read for a target, and its channel with the unit as far as it is known.

        Raises:
            UnsupportedError: this protocol cannot transmit it.
        """
        require_available(target, self.config.wire_protocol)
        parameter, inputs = target.parameter, self._input_settings_of(target)
        if channel is None:
            channel = self.context.channel(
                parameter.name,
                parameter_id=parameter.id,
                instance=target.instance,
                unit=declared_unit(parameter, self._proofs.context(inputs)),
            )
        companions = companions_of(target, self.registry)
        return ChannelRead(channel, target, companions, inputs, self._settings_of(target), input_error_of(companions))

    def _settings_of(self, target: Target) -> tuple[Target, ...]:
        """Return the settings that decide what a number means, and whether it is one."""
        latch = latch_setting_of(target, self.facts, self.config.latched_check)
        return (*self.protocol.settings_of(target.parameter), *self._input_settings_of(target), *latch)

    def _input_settings_of(self, target: Target) -> tuple[Target, ...]:
        return input_settings_of(target, self.facts, self.config.instances)

    async def _serial_number(self, line: AnyTransactor) -> str | None:
        return serial_number(self.facts.family, [await self._text(line, name) for name in self.facts.serial])

    async def _text(self, line: AnyTransactor, name: str) -> str | None:
        """Return a parameter's value as text; None if it is not available on this model or over this protocol."""
        if name not in self.registry:
            return None
        try:
            reader = await self._reader(line, retries=1)
            sample = await reader.sample(self._channel_read(Target(self.registry.find(name))))
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
