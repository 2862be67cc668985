"""What an instrument file says about an instrument, in the words that all drivers share.

``Quantity`` is one value of the instrument. The drivers add to it where the value is: registers, or a field of a reply.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from riglog.device import Safety
from riglog.transport.link import Bytesize, Parity, Stopbits

FORMAT = 1
NAME = "a name of lower-case letters, digits and _, with [2] behind it for a second one of its kind"
QUANTITY_NAME = re.compile(r"([a-z][a-z0-9_]{0,62})(?:\[([1-9][0-9]?)\])?")
UNTRIED = "not tried on hardware"

Text = Annotated[str, Meta(min_length=1, max_length=400, description="a string of at most 400 characters")]
Word = Annotated[str, Meta(min_length=1, max_length=60, description="a string of 1 to 60 characters")]
Effect = Literal["flag", "suspect", "fault", "no_value", "out_of_range"]
"""What a state of the instrument means for a value: only a flag; a value that is suspect, or of an instrument with a
fault; or no value, because of a fault or of an overload."""
Instead = Literal["out_of_range", "fault", "missing", "off"]
"""What a number means that is not a value."""
Tier = Literal["stateful", "persistent", "dangerous"]
TIERS: dict[Tier, Safety] = {
    "stateful": Safety.STATEFUL,
    "persistent": Safety.PERSISTENT,
    "dangerous": Safety.DANGEROUS,
}


class Manual(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document from which the file was written."""

    title: Text
    revision: Text | None = None
    address: Text | None = None


class LineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the port is operated, unless the rig file has other settings.

    ``gap``: seconds for which the line must be idle before each request. ``turnaround``: seconds from a request to its
    reply, for the polling load and the simulator.
    """

    protocols: tuple[Word, ...] = ()
    baudrate: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    bytesize: Bytesize = 8
    parity: Parity = "N"
    stopbits: Stopbits = 1
    gap: Annotated[float, Meta(ge=0, le=10)] = 0.0
    timeout: Annotated[float, Meta(gt=0, le=600)] | None = None
    turnaround: Annotated[float, Meta(gt=0, le=60)] = 0.02


class Reaching(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a value can move: ``jump`` at once, and ``rate`` in a second. What moves further is read again."""

    jump: Annotated[float, Meta(gt=0)]
    rate: Annotated[float, Meta(ge=0)] = 0.0


class Writable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a value can be set, and within which limits, in the unit in which it is read."""

    tier: Tier
    min: float | None = None
    max: float | None = None


class Quantity(Struct, frozen=True, kw_only=True):
    """One value of the instrument.

    Attributes:
        label: what it is, for the page.
        unit: its unit; with ``unit_from`` that of an instrument without this setting.
        scale, offset: value = number x scale + offset.
        decimals: digits behind the point that the instrument displays.
        limits: the lowest and the highest number that is a value.
        labels: what the codes of an enumeration mean.
        flags: the names of the bits.
        units: for a quantity that states a unit: how riglog writes it.
        special: numbers, codes or texts that are not a value, and what they are instead.
        effect: what a flag, or a label, means for the values that refer to this quantity with ``status_from``.
        blank: characters that a text without content consists of.
        glyphs: characters of the display that are not those of Latin-1, by code.
        unit_from, decimals_from, text_from: the quantities that state unit, decimals and text of this one.
        text_required: without a text in ``text_from`` there is no value.
        status_from: the quantities that state whether it is a value.
        reach: how far it can move.
        record: whether it is a channel unless a rig file selects others.
        simulate: what the simulated instrument has: a value, or the ends of a course.
    """

    label: Text | None = None
    unit: Word | None = None
    scale: float = 1.0
    offset: float = 0.0
    decimals: Annotated[int, Meta(ge=0, le=12)] | None = None
    limits: tuple[float, float] | None = None
    labels: dict[str, Word] = {}
    flags: dict[str, Word] = {}
    units: dict[str, Word] = {}
    special: dict[str, Instead] = {}
    effect: dict[str, Effect] = {}
    blank: Annotated[str, Meta(max_length=8)] = ""
    glyphs: dict[str, Annotated[str, Meta(min_length=1, max_length=1)]] = {}
    unit_from: Word | None = None
    decimals_from: Word | None = None
    text_from: Word | None = None
    text_required: bool = False
    status_from: tuple[Word, ...] = ()
    reach: Reaching | None = None
    record: bool = True
    simulate: float | str | tuple[float, float] | None = None

    @property
    def settings(self) -> tuple[str, ...]:
        """The quantities that decide what the number means."""
        names = (self.unit_from, self.decimals_from, self.text_from)
        return tuple(name for name in names if name is not None)

    @property
    def references(self) -> tuple[str, ...]:
        """Every quantity that must be known for this one."""
        return tuple(dict.fromkeys((*self.settings, *self.status_from)))


AnyQuantity = TypeVar("AnyQuantity", bound=Quantity)


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys at the top of an instrument file.

    Attributes:
        title: make and model.
        manual: the documents from which the file was written.
        hardware: instruments, with firmware, on which it was tried; empty: none.
        notes: what a user must know, for the page.
        without: quantities of the extended file that this variant does not have.
        identity: the quantities that distinguish one instrument from another.
        line: how the port is operated; the driver converts it.
    """

    format: Annotated[int, Meta(ge=1)]
    driver: Word
    title: Text
    manual: tuple[Manual, ...] = ()
    hardware: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()
    without: tuple[Word, ...] = ()
    identity: tuple[Word, ...] = ()
    line: dict[str, Any] = {}


class BlockOptions(Struct, frozen=True, kw_only=True):
    """The keys of a block. ``source``: where in the manual it is, such as its section and page."""

    source: Text | None = None
    channel: dict[str, dict[str, Any]] = {}


class Block(Struct, Generic[AnyQuantity], frozen=True, kw_only=True):
    """Quantities that stand together in the manual, or in one reply."""

    name: str
    options: BlockOptions
    quantities: dict[str, AnyQuantity]


class Description(Struct, Generic[AnyQuantity], frozen=True, kw_only=True):
    """A checked instrument file. ``texts``: it was read from these files, by name; the first is the file itself."""

    head: Head
    line: LineSettings
    blocks: tuple[Block[AnyQuantity], ...]
    texts: Mapping[str, str] = {}

    @property
    def quantities(self) -> dict[str, AnyQuantity]:
        """Every quantity by name, in the order of the file."""
        return {name: quantity for block in self.blocks for name, quantity in block.quantities.items()}

    @property
    def recorded(self) -> tuple[str, ...]:
        """The quantities that are channels unless a rig file selects others."""
        return tuple(name for name, quantity in self.quantities.items() if quantity.record)


def parameter_of(name: str) -> tuple[str, int]:
    """Return parameter and instance of a quantity: ``level[2]`` is ``("level", 2)``."""
    found = QUANTITY_NAME.fullmatch(name)
    assert found is not None
    return found[1], int(found[2] or 1)


def quantity_name(parameter: str, instance: int = 1) -> str:
    """Return the name of the quantity of a channel."""
    return parameter if instance == 1 else f"{parameter}[{instance}]"


def referring(quantities: Mapping[str, Quantity], names: Sequence[str]) -> Iterator[str]:
    """Yield quantities and what they refer to, each once."""
    yield from dict.fromkeys(one for name in names for one in (name, *quantities[name].references))
