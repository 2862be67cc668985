"""How parameter values travel, whatever the wire protocol; and Standard Bus, which carries one value per exchange."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from riglog.errors import error_context
from riglog.model import Stamp
from riglog.protocol import ProtocolClient
from riglog_watlow.codec import StdBusReply, StdBusRequest, read_request
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.meaning import DEG_F
from riglog_watlow.plan import Target
from riglog_watlow.stdbus import WireValue


class Raw(NamedTuple):
    """A value as it came over the wire, scaled but in the unit of the wire."""

    value: WireValue
    stamp: Stamp
    payload: bytes | None = None


class Access(ABC):
    """One controller's parameters over one wire protocol. What the model does not have is asked for once."""

    temperature_unit: str | None
    """The unit of temperatures on the wire; None if nobody knows."""

    def __init__(self, client: ProtocolClient[Any, Any], address: int, timeout: float | None) -> None:
        self.client = client
        self.address = address
        self.timeout = timeout
        self._absent: dict[Target, ParameterAbsentError] = {}

    async def open(self) -> None:
        """Find out how this controller's wire is set up, by reading."""
        self._absent.clear()

    @abstractmethod
    def blocks(self, targets: Iterable[Target]) -> list[tuple[Target, ...]]:
        """The targets, divided into what one exchange reads."""

    @abstractmethod
    async def read(self, block: Sequence[Target], *, retries: int = 0) -> dict[Target, Raw]:
        """One exchange.

        Raises:
            ParameterAbsentError: this model does not have it; nothing is sent the second time.
            WatlowRefusedError, ProtocolError: no value.
        """

    def check_present(self, target: Target) -> None:
        """Refuse, without a byte, what this model was found not to have."""
        if (known := self._absent.get(target)) is not None:
            raise type(known)(f"{known.message}, not asked again", code=known.code, hint=known.hint)

    def remember_absent(self, target: Target, error: ParameterAbsentError) -> None:
        self._absent[target] = error


class StdBusAccess(Access):
    """Standard Bus carries degrees Fahrenheit, whatever the panel shows. Source: wire specification, section 8.1."""

    temperature_unit = DEG_F
    client: ProtocolClient[StdBusRequest, StdBusReply]

    def blocks(self, targets: Iterable[Target]) -> list[tuple[Target, ...]]:
        return [(target,) for target in targets]

    async def read(self, block: Sequence[Target], *, retries: int = 0) -> dict[Target, Raw]:
        (target,) = block
        with error_context(parameter=str(target)):
            self.check_present(target)
            try:
                reply, stamp = await self.client.ask(self._request(target), timeout=self.timeout, retries=retries)
            except ParameterAbsentError as error:
                self.remember_absent(target, error)
                raise
        return {target: Raw(reply.value, stamp, reply.payload)}

    def _request(self, target: Target) -> StdBusRequest:
        parameter_id = target.parameter.id
        assert parameter_id is not None, "only EZ-ZONE parameters are read over Standard Bus"
        return read_request(self.address, parameter_id, target.instance)
