"""One Watlow controller: what it is, what it reports, and everything a user does with it.

The same calls over Standard Bus and Modbus, for every family.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from riglog.device import Device, poll_reads
from riglog.errors import ConfigError, UnsupportedError
from riglog.model import Sample
from riglog_watlow.access import Access
from riglog_watlow.config import WatlowConfig
from riglog_watlow.identity import Identity, part_number, serial_number
from riglog_watlow.loop import Loop
from riglog_watlow.plan import Target, checked, target, targets
from riglog_watlow.reader import Entry, Found, Reader
from riglog_watlow.writer import write


class Snapshot(Struct, frozen=True):
    """A controller at one time; every sample has its own stamp."""

    identity: Identity
    samples: tuple[Sample, ...]


class Controller(Device):
    """What to poll is bound here, (parameter x instance); nothing is sent before ``open``."""

    def __init__(self, config: WatlowConfig, access: Access) -> None:
        self.config = config
        self.name = config.name
        self.rate_hz = config.rate_hz
        self.facts = config.facts
        self.access = access
        self._reader = Reader(config, access)
        self.registry = self._reader.registry
        self._bind()

    async def open(self) -> None:
        await self._reader.learn()
        self._bind()

    async def identity(self) -> str | None:
        """The serial number. Whatever was known of the wire is found out again: this is asked after a reconnect."""
        await self._learn_again()
        return await self._serial()

    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        samples = await self._poll(self._entries)
        by_channel = {id(sample.channel): sample for sample in samples}
        return [by_channel[id(channel)] for channel in self.channels]

    async def read_parameter(self, name_or_id: str | int, instance: int = 1) -> Sample:
        """Read one parameter now.

        Raises:
            ConfigError: no such parameter or instance; nothing was sent.
            UnsupportedError: this model, or this protocol, does not have it.
            ProtocolError: no answer, or no sense in it.
        """
        wanted = checked(Target(self.registry.find(name_or_id), instance))
        if not wanted.parameter.readable:
            raise ConfigError(f"{wanted} can only be written")
        return await self._reader.sample(self._reader.entry(wanted), {}, retries=1)

    async def read_parameters(self, names: Iterable[str]) -> list[Sample]:
        """Read several now (``setpoint``, ``alarm_state[3]``, ``7001``); what cannot be read is a missing sample."""
        return await self._poll([self._reader.entry(target(name, self.registry)) for name in names])

    async def write_parameter(
        self, name_or_id: str | int, value: float | int | str, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        """Write one parameter, in the unit or with the label that reading it gives; what it holds afterwards.

        Set points and most others are kept in EEPROM, good for about 1,000,000 writes; what is stored already is
        not written again.

        Raises:
            ConfigError: no such parameter or instance.
            WriteRefusedError: read-only, not confirmed, or not such a value; nothing was changed.
            DeviceError: the controller did not take it, or holds another value now.
            ProtocolError: nobody knows whether it was taken.
        """
        wanted = checked(Target(self.registry.find(name_or_id), instance))
        sample = await write(self._reader, wanted, value, confirm=confirm, wrote=self.wrote)
        if wanted.parameter.write_class == "communication":
            await self._learn_again()
        return sample

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        return await self.write_parameter(name, value, instance, confirm=confirm)

    def loop(self, number: int) -> Loop:
        """Control loop 1 or 2.

        Raises:
            ConfigError: the family has not that many.
        """
        if not 1 <= number <= self.facts.loops:
            raise ConfigError(f"no loop {number}", hint=f"{self.facts.family} has at most {self.facts.loops}")
        return Loop(self, number)

    async def read_pv(self) -> Sample:
        return await self.loop(1).read_pv()

    async def read_setpoint(self) -> Sample:
        return await self.loop(1).read_setpoint()

    async def set_setpoint(self, value: float, *, confirm: bool = False) -> Sample | None:
        return await self.loop(1).set_setpoint(value, confirm=confirm)

    async def read_alarms(self) -> list[Sample]:
        """The state of every alarm that is in use."""
        states = []
        for name, instance, kind in self.facts.alarms:
            try:
                if kind is None or (await self.read_parameter(kind, instance)).text != "Off":
                    states.append(await self.read_parameter(name, instance))
            except UnsupportedError:
                continue
        return states

    async def identify(self) -> Identity:
        """What the controller says of itself."""
        model, number = await self._said("device_name"), await self._said("part_number")
        firmware = [said for name in ("firmware_id", "software_revision") if (said := await self._said(name))]
        made = await self._said("date_of_manufacture")
        return Identity(
            self.facts.family,
            model,
            part_number(number) if number else None,
            await self._serial(),
            {"28": "ARM", "19": "Freescale"}.get(await self._said("hardware_id") or ""),
            ".".join(firmware) or None,
            int(made) if made else None,
        )

    async def snapshot(self) -> Snapshot:
        """Who it is and how it is doing: what is polled, its mode, its PID terms and its alarms."""
        samples = await self.poll()
        samples += await self.read_parameters(self.facts.modes)
        samples += (await self.loop(1).read_pid()).values()
        samples += await self.read_alarms()
        return Snapshot(await self.identify(), tuple(samples))

    def _bind(self) -> None:
        """Make the plan and the channels from the configuration and what ``open`` found out."""
        entries = [self._reader.entry(one) for one in targets(self.config, self.registry)]
        self.channels = tuple(entry.channel for entry in entries)
        # those with companions first: a companion that is also a channel is then read once, and after them
        self._entries = sorted(entries, key=lambda entry: not entry.companions)
        self._reader.divide(self._entries)

    async def _learn_again(self) -> None:
        """Somebody may have set up the wire otherwise; the channels stay."""
        await self._reader.learn()
        self._reader.divide(self._entries)

    async def _poll(self, entries: Iterable[Entry]) -> list[Sample]:
        found: Found = {}

        async def take(entry: Entry) -> list[Sample]:
            return [await self._reader.sample(entry, found)]

        return await poll_reads(entries, lambda entry: (entry.channel,), take, self.access.clock)

    async def _serial(self) -> str | None:
        return serial_number(self.facts.family, [await self._said(name) for name in self.facts.serial])

    async def _said(self, name: str) -> str | None:
        """A parameter's value as text; None if this controller or protocol does not have it."""
        if name not in self.registry:
            return None
        wanted = Target(self.registry.find(name))
        try:
            sample = await self._reader.sample(self._reader.entry(wanted), {}, retries=1)
        except UnsupportedError:
            return None
        return None if sample.value is None else str(sample.value)
