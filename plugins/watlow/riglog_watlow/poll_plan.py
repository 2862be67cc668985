"""Reads parameters and says what they mean: the step from the wire to a sample."""

from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct

from riglog.errors import UnsupportedError
from riglog.model import Channel, Sample
from riglog_watlow.access import Access, Raw
from riglog_watlow.config import WatlowConfig
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.meaning import COMPANIONS, Meaning, Terms, declared_unit, meaning
from riglog_watlow.parameters import Parameter, Registry, registry
from riglog_watlow.plan import Target, unreachable

Found = dict[Target, Raw]

BY_INPUT = {4, 7, 8}
"""Parameter classes of the EZ-ZONE whose instance is an input or its loop."""


class Entry(Struct, frozen=True):
    """One channel and all that is read for it.

    Without its ``companions`` the number means nothing; of its ``conditions`` the model may lack some.
    """

    channel: Channel
    target: Target
    companions: tuple[Target, ...] = ()
    conditions: tuple[Target, ...] = ()

    @property
    def targets(self) -> tuple[Target, ...]:
        return (self.target, *self.companions, *self.conditions)


class Reader:
    """One controller's parameters. ``found`` is what one poll has read so far: nothing is kept for the next."""

    def __init__(self, config: WatlowConfig, access: Access) -> None:
        self.config = config
        self.facts = config.facts
        self.registry: Registry = registry(self.facts.family)
        self.access = access
        self._process: dict[int, bool] = {}
        self._blocks: dict[Target, tuple[Target, ...]] = {}

    async def learn(self) -> None:
        """Find out, by reading, how the wire is set up and what the inputs measure."""
        await self.access.open()
        self._process = await self._process_signals()

    def divide(self, entries: Iterable[Entry]) -> None:
        """What is polled together is read together where one exchange can."""
        targets = dict.fromkeys(target for entry in entries for target in entry.targets)
        self._blocks = {target: block for block in self.access.blocks(targets) for target in block}

    def entry(self, target: Target) -> Entry:
        """A channel for ``target`` with the unit as far as it is known now.

        Raises:
            UnsupportedError: it cannot be read over this protocol.
        """
        if (why := unreachable(target, self.config.wire_protocol)) is not None:
            raise UnsupportedError(why)
        parameter = target.parameter
        terms = self._terms(target, Terms(self.access.wire, self.config.temperature_unit))
        channel = Channel(
            device=self.config.name,
            driver=self.config.driver,
            protocol=self.config.wire_protocol,
            address=self.config.place,
            parameter=parameter.name,
            parameter_id=parameter.id,
            instance=target.instance,
            unit=declared_unit(parameter, terms),
        )
        return Entry(channel, target, companions(target, self.registry), self.access.conditions(parameter))

    async def sample(self, entry: Entry, found: Found, retries: int = 0) -> Sample:
        """Read what the entry needs and is not among ``found``, and say what it means."""
        await self.fetch(entry, entry.targets, found, retries)
        raw, said = found[entry.target], self.meaning(entry, found)
        return Sample(
            channel=entry.channel,
            stamp=raw.stamp,
            value=said.value,
            unit=said.unit,
            status=said.status,
            flags=said.flags,
            error=said.error,
            text=said.text,
            raw=raw.payload,
        )

    async def fetch(self, entry: Entry, targets: Iterable[Target], found: Found, retries: int = 0) -> None:
        """Read those targets of an entry that are not among ``found``; of its conditions, what the model has."""
        for target in targets:
            if target in found:
                continue
            try:
                await self.access.fetch(target, found, self._blocks.get(target, (target,)), retries)
            except ParameterAbsentError:
                if target not in entry.conditions:
                    raise

    def meaning(self, entry: Entry, found: Found) -> Meaning:
        parameter = entry.target.parameter
        return meaning(parameter, found[entry.target].value, self.beside(entry, found), self.terms(entry, found))

    def beside(self, entry: Entry, found: Found) -> dict[str, str]:
        """The labels of the companions, by name."""
        return {one.parameter.name: label(one.parameter, found[one].value) for one in entry.companions}

    def terms(self, entry: Entry, found: Found) -> Terms:
        usual = Terms(self.access.wire_by(found), self.config.temperature_unit)
        return self._terms(entry.target, usual)

    def _terms(self, target: Target, usual: Terms) -> Terms:
        """Of what belongs to no single input, nobody knows the unit as soon as one input is a process signal."""
        if (target.parameter.id or 0) // 1000 in BY_INPUT:
            process = self._process.get(target.instance, False)
        else:
            process = any(self._process.values())
        return Terms(usual.wire, usual.wanted, True) if process else usual

    async def _process_signals(self) -> dict[int, bool]:
        """Which inputs measure no temperature."""
        if self.facts.process_signal is None:
            return {}
        name, labels = self.facts.process_signal
        parameter = self.registry.find(name)
        found: Found = {}
        for instance in {1, *self.config.instances} & set(parameter.instances):
            with suppress(ParameterAbsentError):
                target = Target(parameter, instance)
                await self.access.fetch(target, found, (target,), retries=1)
        return {one.instance: label(parameter, raw.value) in labels for one, raw in found.items()}


def companions(target: Target, registry: Registry) -> tuple[Target, ...]:
    """Those that the target's number means nothing without."""
    names = (name for name in COMPANIONS.get(target.parameter.name, ()) if name in registry)
    return tuple(Target(registry.find(name), target.instance) for name in names)


def label(parameter: Parameter, value: object) -> str:
    """The word for a code; a code without a word as digits."""
    return parameter.enum.get(value, str(value)) if isinstance(value, int) else str(value)
