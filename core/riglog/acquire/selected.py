"""Records a part of a source: the parameters and instances that the caller of ``record`` names."""

from collections.abc import Callable, Collection, Sequence
from typing import Self

import anyio
from msgspec import Struct

from riglog.device import (
    AwaitingGroup,
    IdentifiedGroup,
    MaintainedSource,
    NamingGroup,
    Pace,
    PollSource,
    SourceGroup,
    SteadySource,
)
from riglog.errors import ConfigError, did_you_mean
from riglog.model import Channel, Event, Sample


class Choice(Struct, frozen=True):
    """``parameters`` are names (``level``, ``level[2]``); None for all of them, and all ``instances``."""

    parameters: tuple[str, ...] | None = None
    instances: tuple[int, ...] | None = None

    @classmethod
    def of(cls, parameters: Sequence[str] | None, instances: Sequence[int] | None) -> Self:
        """Return the choice that the arguments of a call make.

        Raises:
            ConfigError: a text in place of a list.
        """
        if isinstance(parameters, str):
            raise ConfigError(f"parameters: {parameters!r} is not a list", hint=f"Write [{parameters!r}]")
        return cls(
            None if parameters is None else tuple(parameters),
            None if instances is None else tuple(instances),
        )

    def renamed(self, rename: Callable[[Sequence[str]], Sequence[str]]) -> "Choice":
        """Return the choice with the names under which its parameters are recorded."""
        return self if self.parameters is None else Choice(tuple(rename(self.parameters)), self.instances)

    def has(self, channel: Channel) -> bool:
        """Return whether a channel is chosen."""
        if self.instances is not None and channel.instance not in self.instances:
            return False
        return self.parameters is None or bool({channel.parameter, _indexed(channel)} & {*self.parameters})

    def refuse_unknown(self, channels: Collection[Channel]) -> None:
        """Check that every parameter and instance is that of a channel.

        Raises:
            ConfigError: one is not.
        """
        known = {name for channel in channels for name in (channel.parameter, _indexed(channel))}
        if unknown := [parameter for parameter in self.parameters or () if parameter not in known]:
            available = ", ".join(dict.fromkeys(channel.parameter for channel in channels))
            suggestions = "".join(did_you_mean(parameter, sorted(known)) for parameter in unknown)
            raise ConfigError(
                f"no channel {', '.join(map(repr, unknown))}",
                hint=f"{suggestions}Channels here: {available or 'none'}. For others, name them in `parameters` where "
                "the device is added",
            )
        instances = {channel.instance for channel in channels}
        for instance in self.instances or ():
            if instance not in instances:
                hint = f"Instances here: {', '.join(map(str, sorted(instances))) or 'none'}"
                raise ConfigError(f"no channel of instance {instance}", hint=hint)


def selected(
    source: PollSource | SourceGroup, parameters: Sequence[str] | None, instances: Sequence[int] | None
) -> PollSource | SourceGroup:
    """Return a source with the channels that are named, or the source itself if nothing is.

    Raises:
        ConfigError: a parameter or instance that no channel has.
    """
    choice = Choice.of(parameters, instances)
    if choice == Choice():
        return source
    if isinstance(source, SourceGroup):
        if isinstance(source, NamingGroup):
            choice = choice.renamed(source.canonical_names)
        choice.refuse_unknown([channel for each in source.sources() for channel in each.channels])
        return ChosenGroup(source, choice)
    choice.refuse_unknown(source.channels)
    return ChosenSource(source, choice)


class ChosenSource(Struct, frozen=True):
    """The chosen channels of one source. The source polls all of them; the others are not recorded."""

    source: PollSource
    choice: Choice

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def channels(self) -> Sequence[Channel]:
        return [channel for channel in self.source.channels if self.choice.has(channel)]

    @property
    def pace(self) -> Pace:
        return self.source.pace

    @property
    def rate_hz(self) -> float | None:
        return self.source.rate_hz

    async def poll(self) -> Sequence[Sample]:
        return [sample for sample in await self.source.poll() if self.choice.has(sample.channel)]

    async def poll_steadily(self) -> Sequence[Sample]:
        source = self.source
        samples = await (source.poll_steadily() if isinstance(source, SteadySource) else source.poll())
        return [sample for sample in samples if self.choice.has(sample.channel)]

    async def settle(self) -> None:
        if isinstance(self.source, SteadySource):
            await self.source.settle()

    async def maintain(self, next_due: Callable[[], int]) -> None:
        await (self.source.maintain(next_due) if isinstance(self.source, MaintainedSource) else anyio.sleep_forever())


class ChosenGroup:
    """The chosen channels of a group of sources."""

    def __init__(self, group: SourceGroup, choice: Choice) -> None:
        self.group = group
        self.choice = choice

    @property
    def closed(self) -> bool:
        return self.group.closed

    @property
    def identities(self) -> dict[str, str]:
        return dict(self.group.identities) if isinstance(self.group, IdentifiedGroup) else {}

    def sources(self, names: Sequence[str] | None = None) -> Sequence[PollSource]:
        return [ChosenSource(source, self.choice) for source in self.group.sources(names)]

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        return self.group.subscribe(listener)

    async def changed(self) -> None:
        await self.group.changed()

    def report_absences(self) -> None:
        if isinstance(self.group, AwaitingGroup):
            self.group.report_absences()


def _indexed(channel: Channel) -> str:
    return f"{channel.parameter}[{channel.instance}]"
