"""Parameters over Standard Bus: one value per exchange, temperatures always in degF.

Source: Watlow wire specification, sections 4 and 8.1.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

from riglog.errors import WriteRefusedError, error_context
from riglog.model.units import DEG_F
from riglog.protocol import ProtocolClient
from riglog_watlow.access import Access, Raw, Wire
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.parameters import PM, Parameter, WireValue, registry
from riglog_watlow.plan import Target
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import StdBusReply, StdBusRequest, read_request

WRITE_TIMEOUT = 1.0  # s, at least
log = logging.getLogger(__name__)


class StdBusAccess(Access):
    """One controller at one address of the bus. ``timeout`` None is the line's."""

    wire = Wire(DEG_F)

    def __init__(self, client: ProtocolClient[StdBusRequest, StdBusReply], address: int, timeout: float | None) -> None:
        super().__init__()
        self.client = client
        self.clock = client.clock
        self.address = address
        self.timeout = timeout
        self._tags: dict[Parameter, int] = {}

    async def open(self) -> None:
        self._absent.clear()
        await self.read([Target(registry(PM).find("hardware_id"), 1)], retries=1)

    def conditions(self, parameter: Parameter) -> tuple[Target, ...]:
        return ()

    def wire_by(self, found: Mapping[Target, Raw]) -> Wire:
        return self.wire

    def blocks(self, targets: Iterable[Target]) -> list[tuple[Target, ...]]:
        return [(target,) for target in targets]

    async def read(self, block: Sequence[Target], *, retries: int = 0) -> dict[Target, Raw]:
        (target,) = block
        request = read_request(self.address, target.parameter.id or 0, target.instance)
        try:
            reply, stamp = await self.client.transact(request, timeout=self.timeout, retries=retries)
        except ParameterAbsentError as error:
            self.remember_absent(target, error)
            with error_context(parameter=str(target)):
                raise
        self._learn_tag(target.parameter, reply.tag)
        return {target: Raw(reply.value, stamp, reply.payload)}

    def encoded(self, target: Target, value: WireValue) -> bytes:
        parameter = target.parameter
        try:
            return message.encode_value(self._tags.get(parameter, parameter.tag or 0), value)
        except ValueError as error:
            raise WriteRefusedError(str(error), parameter=str(target)) from None

    async def write(self, target: Target, value: WireValue) -> WireValue | None:
        selector = message.selector(target.parameter.id or 0, target.instance)
        request = StdBusRequest(self.address, selector, self.encoded(target, value))
        with error_context(parameter=str(target)):
            return (await self.client.write(request, timeout=max(WRITE_TIMEOUT, self.timeout or 0))).reply.value

    def _learn_tag(self, parameter: Parameter, tag: int) -> None:
        """Writes must use the type the device itself uses; the table is wrong about a few."""
        if self._tags.get(parameter, parameter.tag) != tag:
            log.info("%s has type %02X here, the table says %02X", parameter.name, tag, parameter.tag or 0)
        self._tags[parameter] = tag
