"""How parameters travel, whatever the wire protocol. What a model does not have is asked for once."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from riglog.model import Clock, Stamp
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.parameters import Parameter, WireValue
from riglog_watlow.plan import Target


class Raw(NamedTuple):
    """A value as it came over the wire, when, and in which payload."""

    value: WireValue
    stamp: Stamp
    payload: bytes | None = None


class Wire(Struct, frozen=True):
    """What numbers on the wire are in, as far as anybody knows.

    ``decimals`` is by how many places the numbers of parameters with a decimals register are shifted.
    """

    temperature_unit: str | None
    decimals: int | None = None


class Access(ABC):
    """One controller's parameters over one wire protocol."""

    clock: Clock
    wire: Wire
    """As it was at ``open``."""

    def __init__(self) -> None:
        self._absent: dict[Target, ParameterAbsentError] = {}

    @abstractmethod
    async def open(self) -> None:
        """See that the right kind of controller is there, and how its wire is set up, by reading.

        Raises:
            ProtocolError: nobody answers, or not sense.
            WrongInstrumentError: something else is there.
        """

    @abstractmethod
    def conditions(self, parameter: Parameter) -> tuple[Target, ...]:
        """What has to be read with a parameter because it may be changed at the panel: its unit, its decimals."""

    @abstractmethod
    def wire_by(self, found: Mapping[Target, Raw]) -> Wire:
        """The wire as the conditions among ``found`` say."""

    @abstractmethod
    def blocks(self, targets: Iterable[Target]) -> list[tuple[Target, ...]]:
        """The targets, divided into what one exchange reads."""

    @abstractmethod
    async def read(self, block: Sequence[Target], *, retries: int = 0) -> dict[Target, Raw]:
        """Read a block; what the model was found not to have is left out.

        Raises:
            DeviceRefusedError, ProtocolError: no value.
        """

    @abstractmethod
    def encoded(self, target: Target, value: WireValue) -> bytes | list[int]:
        """The value as the wire carries it; equal on the wire is equal in the controller.

        Raises:
            WriteRefusedError: it does not fit.
        """

    @abstractmethod
    async def write(self, target: Target, value: WireValue) -> WireValue | None:
        """Write one value, once; what the controller says it stored, None if it does not say.

        Raises:
            DeviceRefusedError: it was not written.
            ProtocolError: it may have been written, or not.
            WriteRefusedError: the value does not fit; nothing was sent.
        """

    async def fetch(self, target: Target, found: dict[Target, Raw], block: Sequence[Target], retries: int) -> None:
        """Add ``target``, and what is read with it, to ``found``.

        Raises:
            ParameterAbsentError: this model does not have it; the second time without a byte.
        """
        while target not in found:
            if (known := self._absent.get(target)) is not None:
                raise known
            found |= await self.read(block, retries=retries)

    def remember_absent(self, target: Target, error: ParameterAbsentError) -> None:
        """From now on the target is refused here."""
        hint = error.hint
        self._absent[target] = type(error)(f"{error.message}, not asked again", code=error.code, hint=hint)
        self._absent[target].context |= {"parameter": str(target)}
