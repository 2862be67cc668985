"""What the recorder records: anything with channels that can be polled."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

from riglog.model import Channel, Event, Sample


class Pace(Enum):
    """Who decides when the next samples come."""

    HOST = "host"  # the recorder schedules; poll asks
    DEVICE = "device"  # the instrument speaks (broadcast, autoprint); poll waits for what it says next


class PollSource(Protocol):
    """A device, a port with its devices, or a whole rig."""

    @property
    def name(self) -> str: ...

    @property
    def channels(self) -> Sequence[Channel]:
        """Every channel a poll answers, declared before the first poll."""
        ...

    @property
    def pace(self) -> Pace: ...

    @property
    def rate_hz(self) -> float | None:
        """Polls per second this source wants for itself; None: the recorder's rate."""
        ...

    async def poll(self, names: Sequence[str] | None = None) -> Sequence[Sample]:
        """One sample per channel, a missing one included. ``names`` limits it to these devices.

        Raises:
            ConnectionLostError: the port is gone; nothing was read.
        """
        ...


@runtime_checkable
class SourceGroup(Protocol):
    """Several sources that are recorded side by side, each in its own task; they may come and go."""

    @property
    def closed(self) -> bool:
        """No source will come any more: then there is nothing left to record."""
        ...

    def sources(self) -> Sequence[PollSource]:
        """One source per port and rate; those that are equal are the same source, also in a later answer."""
        ...

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Be told of events; the returned function ends it."""
        ...

    async def changed(self) -> None:
        """Wait until ``sources`` may have another answer."""
        ...
