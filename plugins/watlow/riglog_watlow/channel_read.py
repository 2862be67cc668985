"""What is read for each channel, and in which blocks and in which order."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from riglog.model import Channel
from riglog_watlow.parameters import Registry
from riglog_watlow.protocol import Block, WatlowProtocol
from riglog_watlow.samples import DEPENDS_ON, INPUT_ERROR
from riglog_watlow.targets import Target


class ChannelRead(Struct, frozen=True):
    """One channel and every value to read for it.

    Attributes:
        companions: read after each value: without them the number has no meaning.
        input_settings: those that show whether an input measures a temperature.
        settings: all that decide what the number means, checked by rule S: the layout, the unit, the decimal places,
            and those of the inputs.
        input_error: the companion with the error of the input, by which rule E proves a value.
    """

    channel: Channel
    target: Target
    companions: tuple[Target, ...] = ()
    input_settings: tuple[Target, ...] = ()
    settings: tuple[Target, ...] = ()
    input_error: Target | None = None


class Group(Struct, frozen=True):
    """Channels with the same companions: their values are read one after the other, and the companions after them."""

    companions: tuple[Target, ...]
    reads: tuple[ChannelRead, ...]
    input_error: Target | None


def grouped(reads: Iterable[ChannelRead]) -> list[Group]:
    """Return the reads in the order in which they are read.

    Process values come after all others, as a setting of their input is read in one block with them: it is to be read
    after every value that depends on it. Companions and settings that are channels too come last, read already.
    """
    groups: dict[tuple[Target, ...], list[ChannelRead]] = {}
    for read in reads:
        groups.setdefault(read.companions, []).append(read)
    context = {target for some in groups.values() for read in some for target in (*read.companions, *read.settings)}
    alone = groups.pop((), [])
    first = [read for read in alone if read.target not in context]
    last = [read for read in alone if read.target in context]
    inputs_last = sorted(groups.items(), key=lambda item: item[1][0].input_error is not None)
    ordered = (((), first), *inputs_last, ((), last))
    return [Group(key, tuple(some), some[0].input_error) for key, some in ordered if some]


class PollPlan:
    """The channels of a controller in the order in which they are read, and the blocks to read for them.

    Attributes:
        settings: those of all channels.
        blocks: the block to read for a value, or for a setting alone.
        check_blocks: the same for a poll that checks the settings: some of them are next to a value.
    """

    def __init__(self, reads: Sequence[ChannelRead], protocol: WatlowProtocol) -> None:
        self.groups = grouped(reads)
        values = list(dict.fromkeys(target for read in reads for target in (read.target, *read.companions)))
        self.settings = list(dict.fromkeys(setting for read in reads for setting in read.settings))
        self.blocks = _by_target(protocol, self.settings) | _by_target(protocol, values)
        self.check_blocks = _by_target(protocol, dict.fromkeys([*values, *self.settings]))


def _by_target(protocol: WatlowProtocol, targets: Iterable[Target]) -> dict[Target, Block]:
    return {target: block for block in protocol.group_into_blocks(targets) for target in block}


def input_error_of(companions: Iterable[Target]) -> Target | None:
    """Return the companion with the error of an input."""
    return next((one for one in companions if one.parameter.name == INPUT_ERROR), None)


def companions_of(target: Target, registry: Registry) -> tuple[Target, ...]:
    """Return the companions of a target: its number has no meaning without them."""
    names = (name for name in DEPENDS_ON.get(target.parameter.name, ()) if name in registry)
    return tuple(Target(registry.find(name), target.instance) for name in names)
