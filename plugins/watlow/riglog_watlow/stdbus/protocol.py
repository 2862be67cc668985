"""Parameters over Standard Bus: one value per transaction, temperatures always in degF.

Source: Watlow wire specification, sections 4 and 8.1.
"""

from collections.abc import Iterable

from riglog.errors import WriteRefusedError, error_context
from riglog.log import get_logger
from riglog.model.units import DEG_F
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.parameters import PM, Parameter, WireValue, registry
from riglog_watlow.protocol import AnyTransactor, Block, WatlowProtocol
from riglog_watlow.samples import Raw, WireUnits
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import StdBusRequest, read_request
from riglog_watlow.targets import Settings, Target

MIN_WRITE_TIMEOUT = 1.0  # s
UNITS = WireUnits(DEG_F)
log = get_logger("riglog.watlow")


class StdBusProtocol(WatlowProtocol):
    """One controller at one address of the bus.

    Args:
        timeout: seconds of a read, as set in the client; a write waits for at least one second.

    Attributes:
        tags: the data types with which this controller has responded.
    """

    def __init__(self, address: int, timeout: float) -> None:
        super().__init__()
        self.address = address
        self.write_timeout = max(MIN_WRITE_TIMEOUT, timeout)
        self.tags: dict[Parameter, int] = {}

    async def read_setup(self, line: AnyTransactor) -> None:
        self.absent.clear()
        await self.read_one(line, Target(registry(PM).find("hardware_id")))

    def settings_of(self, parameter: Parameter) -> tuple[Target, ...]:
        return ()

    def units_from(self, settings: Settings) -> WireUnits:
        return UNITS

    def group_into_blocks(self, targets: Iterable[Target]) -> list[Block]:
        return [(target,) for target in targets]

    async def read(self, line: AnyTransactor, block: Block, *, retries: int = 0) -> dict[Target, Raw]:
        (target,) = block
        parameter = target.parameter
        request = read_request(self.address, parameter.id or 0, target.instance)
        try:
            reply, stamp = await line.transact(request, retries=retries)
        except ParameterAbsentError as error:
            self.note_absent(target, error)
            return {}
        if self.tags.get(parameter) != reply.tag:
            self._note_tag(parameter, reply.tag)
        return {target: Raw(reply.value, stamp, reply.payload)}

    def encode(self, target: Target, value: WireValue) -> bytes:
        parameter = target.parameter
        try:
            return message.encode_value(self.tags.get(parameter, parameter.tag or 0), value)
        except ValueError as error:
            raise WriteRefusedError(str(error), parameter=str(target)) from None

    async def write(self, line: AnyTransactor, target: Target, value: WireValue) -> WireValue | None:
        selector = message.selector(target.parameter.id or 0, target.instance)
        request = StdBusRequest(self.address, selector, self.encode(target, value))
        with error_context(parameter=str(target)):
            stored: WireValue = (await line.transact(request, timeout=self.write_timeout)).reply.value
        return stored

    def _note_tag(self, parameter: Parameter, tag: int) -> None:
        """Writes must use the data type that the controller itself uses; the table is wrong about a few."""
        if tag != parameter.tag:
            log.info("%s: data type 0x%02X reported, 0x%02X expected", parameter.name, tag, parameter.tag or 0)
        self.tags[parameter] = tag
