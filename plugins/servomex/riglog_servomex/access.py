"""How an analyser's readings reach us, whatever the mode its panel is set to."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from riglog.device import Pace
from riglog.protocol import ProtocolClient
from riglog_servomex.positions import Position
from riglog_servomex.reading import AnalyserStatus, Reading

Readings = dict[str, Reading]
"""By channel id."""


class Read(NamedTuple):
    """One exchange of a poll; ``positions`` are those whose readings ``take`` brings, perhaps none."""

    positions: tuple[Position, ...]
    take: Callable[[], Awaitable[Readings]]


class Access(ABC):
    """One analyser. ``last`` is what each channel said last, ``analyser`` what the analyser said of itself last."""

    pace: Pace

    def __init__(self, client: ProtocolClient[Any, Any]) -> None:
        self.client = client
        self.last: Readings = {}
        self.analyser: AnalyserStatus | None = None

    @abstractmethod
    async def discover(self, *, patient: bool = True) -> Readings:
        """Every position that answers, read now.

        Args:
            patient: a reply that does not come is asked for again, and in smaller parts.

        Raises:
            ProtocolError, DeviceError: none does.
        """

    @abstractmethod
    async def choose(self, positions: Sequence[Position]) -> None:
        """These are read from now on; find out how, by reading."""

    @abstractmethod
    def reads(self) -> Sequence[Read]:
        """The exchanges of one poll, in turn."""

    @abstractmethod
    async def read_one(self, position: Position) -> Reading:
        """One channel, now.

        Raises:
            ChannelAbsentError: the analyser does not have or send it.
            ProtocolError, DeviceError: no reading.
        """

    @abstractmethod
    async def read_analyser(self) -> AnalyserStatus:
        """What the analyser says of itself, now."""
