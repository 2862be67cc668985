"""What the recorder records: anything with channels that can be polled."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

from riglog.model import Channel, Event, Sample


class Pace(Enum):
    """What determines when samples come."""

    HOST = "host"  # the schedule of the recorder
    DEVICE = "device"  # the device: broadcast, autoprint; ``poll`` waits for what it sends next


class PollSource(Protocol):
    """A device, or the devices of one port that share a rate."""

    @property
    def name(self) -> str: ...

    @property
    def channels(self) -> Sequence[Channel]:
        """Every channel of which a poll returns samples, declared before the first poll."""
        ...

    @property
    def pace(self) -> Pace: ...

    @property
    def rate_hz(self) -> float | None:
        """Polls per second of this source; None: the rate of the run."""
        ...

    async def poll(self) -> Sequence[Sample]:
        """Return one sample per channel, a missing one included.

        Raises:
            ConnectionLostError: the port is gone; nothing was read.
        """
        ...


@runtime_checkable
class MaintainedSource(PollSource, Protocol):
    """A source that uses the time between two polls: to restore a connection, to check identities."""

    async def maintain(self, next_due: Callable[[], int]) -> None:
        """Do so until cancelled, without making a slot late.

        Args:
            next_due: returns when the next slot is due, on the monotonic clock; not in the future during a poll.
        """
        ...


@runtime_checkable
class SteadySource(PollSource, Protocol):
    """A source that can prove samples by a check that comes later, while it is polled at a steady rate."""

    async def poll_steadily(self) -> Sequence[Sample]:
        """As ``poll``; the ``proof`` of a sample may be still to come, with one of the next polls."""
        ...

    async def settle(self) -> None:
        """Make the checks that are still to come: there is no further poll."""
        ...


@runtime_checkable
class SourceGroup(Protocol):
    """Several sources that are recorded side by side, each in its own task; they may come and go."""

    @property
    def closed(self) -> bool:
        """True if no source will be added any more: then there is nothing left to record."""
        ...

    def sources(self, names: Sequence[str] | None = None) -> Sequence[PollSource]:
        """Return one source per port and rate; equal sources are the same source, also in a later result.

        Args:
            names: only these devices; None: all.
        """
        ...

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with every event; the returned function ends it."""
        ...

    async def changed(self) -> None:
        """Wait until ``sources`` may have another result."""
        ...


@runtime_checkable
class AwaitingGroup(SourceGroup, Protocol):
    """A group whose devices may be absent at the start, and are added when their instruments respond."""

    def report_absences(self) -> None:
        """Report each absent device as an event."""
        ...


@runtime_checkable
class IdentifiedGroup(SourceGroup, Protocol):
    """A group that knows which instruments its devices are."""

    @property
    def identities(self) -> Mapping[str, str]:
        """The identity that each device must have, by name; without those that have none."""
        ...


@runtime_checkable
class NamingGroup(SourceGroup, Protocol):
    """A group that knows names that people use for parameters."""

    def canonical_names(self, parameters: Sequence[str]) -> Sequence[str]:
        """Return the names under which parameters are recorded.

        Raises:
            ConfigError: a name that can mean several parameters.
        """
        ...
