"""The reads of one poll: which blocks, in which order, and which values each channel depends on."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from riglog.device import missing
from riglog.model import Channel, Clock, Sample
from riglog_watlow.parameters import Registry
from riglog_watlow.protocol import AnyTransactor, Block, WatlowProtocol
from riglog_watlow.samples import DEPENDS_ON, Raw, UnitContext, label_of, sample_of
from riglog_watlow.targets import Target


class ChannelRead(Struct, frozen=True):
    """One channel and every value to read for it.

    Attributes:
        depends_on: without them the number has no meaning.
        display_settings: unit and decimals; a model may not have them.
        is_process_signal: its input does not measure a temperature.
        targets: the channel's own value first, then the others.
    """

    channel: Channel
    target: Target
    depends_on: tuple[Target, ...]
    display_settings: tuple[Target, ...]
    is_process_signal: bool
    targets: tuple[Target, ...]

    @property
    def context_targets(self) -> tuple[Target, ...]:
        """What is needed to interpret a value of the channel."""
        return self.targets[1:]


class PollPlan:
    """The channels of a controller in the order in which they are read, and the blocks to read for them.

    Channels that depend on others come first: if a companion is a channel too, it is read once, and after them.
    """

    def __init__(self, reads: Sequence[ChannelRead], protocol: WatlowProtocol) -> None:
        self.reads = sorted(reads, key=lambda read: not read.depends_on)
        targets = dict.fromkeys(target for read in self.reads for target in read.targets)
        self.blocks = {target: block for block in protocol.group_into_blocks(targets) for target in block}


class Reader:
    """Reads channels over one line. It lives for one poll or one call: no value is kept for the next.

    Args:
        blocks: the block to read for a target; others are read by themselves.
        temperature_unit: the unit to publish; None: as transmitted.
        retries: of each read without a reply.
    """

    def __init__(
        self,
        line: AnyTransactor,
        protocol: WatlowProtocol,
        blocks: Mapping[Target, Block],
        temperature_unit: str | None,
        clock: Clock,
        *,
        retries: int = 0,
    ) -> None:
        self.line = line
        self.protocol = protocol
        self.blocks = blocks
        self.temperature_unit = temperature_unit
        self.clock = clock
        self.retries = retries
        self.values: dict[Target, Raw] = {}

    async def read(self, read: ChannelRead, targets: Iterable[Target] | None = None) -> list[Sample]:
        """Read the blocks of a channel that have not been read yet, and return its sample.

        Args:
            targets: read only these; the list is empty without the channel's own value.

        Raises:
            ParameterAbsentError: the model does not have a parameter that is needed.
            DeviceRefusedError, ProtocolError: no values; the next channel of the same block reads it again.
        """
        values, protocol = self.values, self.protocol
        for target in read.targets if targets is None else targets:
            if target in values:
                continue
            known = target in protocol.absent
            if not known:
                values |= await protocol.read(self.line, self.blocks.get(target, (target,)), retries=self.retries)
            if target in values or target in read.display_settings:
                continue
            error = protocol.absent_error(target, known=known)
            if known and target is read.target:  # nothing was requested, so the device has not responded
                return missing([read.channel], error.message, self.clock, responded=None)
            raise error
        return [self._sample(read)] if read.target in values else []

    async def sample(self, read: ChannelRead) -> Sample:
        """Read a channel.

        Raises:
            ParameterAbsentError: the model does not have the parameter; nothing was sent if that was known.
            DeviceRefusedError, ProtocolError: no value.
        """
        if read.target in self.protocol.absent:
            raise self.protocol.absent_error(read.target, known=True)
        (sample,) = await self.read(read)
        return sample

    def companion_labels(self, read: ChannelRead) -> dict[str, str]:
        """Return the labels of what the channel depends on, by name."""
        return {
            target.parameter.name: label_of(target.parameter, self.values[target].value) for target in read.depends_on
        }

    def unit_context(self, read: ChannelRead) -> UnitContext:
        """Return the units of a channel, according to the display settings that were read with it."""
        return UnitContext(self.protocol.units_from(self.values), self.temperature_unit, read.is_process_signal)

    def again(self) -> "Reader":
        """Return a reader that has read nothing yet."""
        return Reader(self.line, self.protocol, self.blocks, self.temperature_unit, self.clock, retries=self.retries)

    def _sample(self, read: ChannelRead) -> Sample:
        return sample_of(
            read.channel,
            read.target.parameter,
            self.values[read.target],
            self.companion_labels(read),
            self.unit_context(read),
        )


def depends_on(target: Target, registry: Registry) -> tuple[Target, ...]:
    """Return the companions of a target: its number has no meaning without them."""
    names = (name for name in DEPENDS_ON.get(target.parameter.name, ()) if name in registry)
    return tuple(Target(registry.find(name), target.instance) for name in names)
