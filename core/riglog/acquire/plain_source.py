"""Sources that have only ``poll``: what else the recorder needs is learnt from a first poll."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, cast

from riglog.device import Pace, PollSource, SourceGroup
from riglog.errors import ConfigError
from riglog.model import Channel, Sample


class Pollable(Protocol):
    """Anything that can be polled."""

    def poll(self) -> Awaitable[Sequence[Sample]]: ...


class PlainSource:
    """A source with the channels of its first poll, at the rate of the run."""

    pace = Pace.HOST
    rate_hz: float | None = None

    def __init__(self, source: Pollable, channels: Sequence[Channel]) -> None:
        self._source = source
        self.name = str(getattr(source, "name", type(source).__name__))
        self.channels = channels

    async def poll(self) -> Sequence[Sample]:
        return await self._source.poll()


async def with_channels(source: Any) -> PollSource | SourceGroup:
    """Return a source that declares its channels; one that does not is polled once. Its samples are not recorded.

    Raises:
        ConfigError: it cannot be polled, or its first poll gives no samples.
    """
    if isinstance(source, SourceGroup) or hasattr(source, "channels"):
        return cast("PollSource | SourceGroup", source)
    if not hasattr(source, "poll"):
        raise ConfigError(
            f"{type(source).__name__} is not a source", hint="Give a device, a Manager, or an object with poll()"
        )
    samples = await source.poll()
    channels = tuple(dict.fromkeys(sample.channel for sample in samples))
    if not channels:
        raise ConfigError("the first poll of the source gave no samples", hint="Declare its channels")
    return PlainSource(source, channels)
