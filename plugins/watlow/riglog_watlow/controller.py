"""One Watlow controller: what it is, what it reports, and its parameters by name."""

from collections.abc import Sequence
from contextlib import suppress

from riglog.device import Device, poll_reads
from riglog.model import Sample
from riglog_watlow.access import Access, Raw
from riglog_watlow.config import WatlowConfig
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.meaning import Meaning, Terms, meaning
from riglog_watlow.parameters import Parameter, Registry, registry
from riglog_watlow.plan import Entry, Target, channel, entry, in_reading_order, targets

PROCESS_SENSORS = {56, 104, 112}
"""Sensor types mV, V and mA: what the input measures is the user's business, and no temperature."""

BY_INPUT = {4, 7, 8}
"""Parameter classes whose instance is an input or its loop."""


class Controller(Device):
    """What to poll is bound here, (parameter x instance); nothing is sent before ``open``."""

    def __init__(self, config: WatlowConfig, access: Access, protocol: str) -> None:
        self.config = config
        self.name = config.name
        self.rate_hz = config.rate_hz
        self.protocol = protocol
        self.registry: Registry = registry()
        self._access = access
        self._terms: dict[int, Terms] = {}
        self._bind()

    async def open(self) -> None:
        await self._access.open()
        await self.read_parameter("hardware_id")
        self._terms = await self._read_terms()
        self._bind()

    async def identity(self) -> str | None:
        for name in ("serial_number", "serial_number_int"):
            with suppress(ParameterAbsentError):
                return str((await self.read_parameter(name)).value)
        return None

    async def poll(self, names: Sequence[str] | None = None) -> list[Sample]:
        found: dict[Target, Raw] = {}

        async def take(entry: Entry) -> list[Sample]:
            return [await self._sample(entry, found)]

        samples = await poll_reads(self._entries, lambda entry: (entry.channel,), take, self._access.client.clock)
        by_channel = {id(sample.channel): sample for sample in samples}
        return [by_channel[id(channel)] for channel in self.channels]

    async def read_parameter(self, name_or_id: str | int, instance: int = 1) -> Sample:
        """Read one parameter now.

        Raises:
            ConfigError: no such parameter; nothing was sent.
            ParameterAbsentError: this model does not have it.
            ProtocolError: no answer, or no sense in it.
        """
        target = Target(self.registry.find(name_or_id), instance)
        return await self._sample(self._entry(target), {}, retries=1)

    def _bind(self) -> None:
        """Make the plan and the channels from the configuration and what ``open`` found out."""
        entries = [self._entry(target) for target in targets(self.config, self.registry)]
        self.channels = tuple(entry.channel for entry in entries)
        self._entries = in_reading_order(entries)
        wanted = dict.fromkeys(target for entry in self._entries for target in (entry.target, *entry.companions))
        self._blocks = {target: block for block in self._access.blocks(wanted) for target in block}

    def _entry(self, target: Target) -> Entry:
        unit = self._terms_of(target).unit
        return entry(target, channel(target, self.config, self.protocol, unit), self.registry)

    async def _sample(self, entry: Entry, found: dict[Target, Raw], retries: int = 0) -> Sample:
        """Read what the entry needs and is not yet found, and say what it means."""
        for target in (entry.target, *entry.companions):
            if target not in found:
                found |= await self._access.read(self._blocks.get(target, (target,)), retries=retries)
        raw = found[entry.target]
        said = self._meaning(entry, raw, found)
        return Sample(
            entry.channel,
            raw.stamp,
            said.value,
            said.unit,
            said.status,
            said.flags,
            said.error,
            said.text,
            raw.payload,
        )

    def _meaning(self, entry: Entry, raw: Raw, found: dict[Target, Raw]) -> Meaning:
        beside = {one.parameter.name: _label(one.parameter, found[one].value) for one in entry.companions}
        return meaning(entry.target.parameter, raw.value, beside, self._terms_of(entry.target))

    def _terms_of(self, target: Target) -> Terms:
        """In which unit a temperature of this parameter is; all inputs have a say where none is meant."""
        usual = Terms(self._access.temperature_unit, self.config.temperature_unit)
        if (target.parameter.id or 0) // 1000 in BY_INPUT:
            return self._terms.get(target.instance, usual)
        return next((terms for terms in self._terms.values() if terms.wire is None), usual)

    async def _read_terms(self) -> dict[int, Terms]:
        """What the inputs measure. A process signal is in the user's own units: unknown here, never converted."""
        inputs = self.registry.find("sensor_type")
        usual = Terms(self._access.temperature_unit, self.config.temperature_unit)
        terms: dict[int, Terms] = {}
        for instance in (one for one in self.config.instances if one in inputs.instances):
            with suppress(ParameterAbsentError):
                sensor = (await self._access.read((Target(inputs, instance),), retries=1))[Target(inputs, instance)]
                terms[instance] = Terms(None) if sensor.value in PROCESS_SENSORS else usual
        return terms


def _label(parameter: Parameter, value: object) -> str:
    return parameter.enum.get(value, str(value)) if isinstance(value, int) else str(value)
