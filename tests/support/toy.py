"""A tiny instrument for tests of the core: a question and an answer in one line each.

Parameters are single words. Values count up with every read, so that a stale or repeated one is seen.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from riglog.device import DeviceContext, Pace, PortDevice, poll_reads
from riglog.errors import DeviceRefusedError
from riglog.model import Channel, Sample
from riglog.plugin import DeviceConfig, Driver
from riglog.protocol import Codec, Connection, HeldLine, ProtocolClient
from riglog.simulation import Simulator
from riglog.testing import LoopClock
from riglog.transport import Link

UNITS = {"level": "mm", "flow": "l/min"}


class Ask(Struct, frozen=True):
    address: int
    parameter: str


class ToyCodec(Codec[Ask, str]):
    hold_off = 0.1

    def is_repeatable(self, request: Ask) -> bool:
        return True

    def encode(self, request: Ask) -> bytes:
        return f"?{request.address} {request.parameter}\n".encode()

    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        while (end := buffer.find(b"\n")) >= 0:
            words = bytes(buffer[:end]).decode("latin-1").split(" ")
            del buffer[: end + 1]
            if len(words) == 3 and words[:2] == [str(request.address), request.parameter]:
                if words[2] == "!":
                    raise DeviceRefusedError("no such parameter", code="!")
                return words[2]
        return None

    def address(self, request: Ask) -> object:
        return request.address

    def resync_request(self, request: Ask, outstanding: Sequence[Ask]) -> Ask | None:
        taken = {other.parameter for other in [request, *outstanding]}
        return next((Ask(request.address, name) for name in ("who", "level", "flow") if name not in taken), None)


class ToySimulator(Simulator):
    """Answers for one address; ``given`` lists every value it handed out, by parameter."""

    latency = 0.002

    def __init__(self, address: int, identity: str = "toy") -> None:
        self.number = address
        self.identity = identity
        self.identities: list[str] = []  # of the next replies
        self.silent = False
        self.count = 0
        self.given: dict[str, list[str]] = {}
        self._buffer = b""

    def receive(self, data: bytes, now: float) -> bytes:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return b"".join(self._answer(line.decode()) for line in lines if line.startswith(b"?"))

    def _answer(self, line: str) -> bytes:
        address, parameter = line[1:].split(" ")
        if int(address) != self.number or self.silent:
            return b""
        self.count += 1
        identity = self.identities.pop(0) if parameter == "who" and self.identities else self.identity
        value = identity if parameter == "who" else "!" if parameter == "mass" else str(self.count)
        self.given.setdefault(parameter, []).append(value)
        return f"{address} {parameter} {value}\n".encode()

    def foreign(self, reply: bytes) -> bytes:
        return b"9" + reply[1:]


class ToyConfig(DeviceConfig, kw_only=True, frozen=True):
    address: int | None = 1
    parameters: tuple[str, ...] = ("level", "flow")
    identity: str = "toy"


ToyClient = ProtocolClient[Ask, str]


class Toy(PortDevice[ToyClient]):
    def __init__(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> None:
        super().__init__(client, context)
        self._address = config.address or 1
        self.channels = tuple(context.channel(name, unit=UNITS.get(name)) for name in config.parameters)

    async def open(self) -> None:
        await self.client.transact(Ask(self._address, "who"))

    async def identity(self, line: HeldLine[Ask, str] | None = None) -> str | None:
        async with self.client.hold(line) as line:
            return (await line.transact(Ask(self._address, "who"))).reply

    async def poll(self, line: HeldLine[Ask, str] | None = None) -> list[Sample]:
        async with self.client.hold(line) as line:

            async def read(channel: Channel) -> list[Sample]:
                reply, stamp = await line.transact(Ask(self._address, channel.parameter))
                return [Sample(channel=channel, stamp=stamp, value=float(reply), unit=channel.unit)]

            return await poll_reads(self.channels, lambda channel: [channel], read, self.context.clock)


class ToyDriver(Driver[ToyConfig, ToyClient]):
    """``simulators`` are for tests to look at."""

    name = "toy"
    summary = "an instrument for tests"
    protocols = ("toy",)
    config = ToyConfig
    selects_parameters = True

    def __init__(self) -> None:
        self.simulators: dict[str, ToySimulator] = {}

    def link(self, config: ToyConfig) -> Link:
        return config.link_over(Link(protocol="toy"))

    def connect(self, connection: Connection) -> ToyClient:
        return ProtocolClient(connection, ToyCodec(), timeout=0.3)

    def device(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        return Toy(config, client, context)

    def simulator(self, config: ToyConfig) -> Simulator:
        made = self.simulators[config.name] = ToySimulator(config.address or 1, config.identity)
        return made

    def address(self, config: ToyConfig) -> int | None:
        return config.address


class Metronome:
    """A poll source without a wire: ``channels`` counting up, taking ``seconds`` a poll."""

    pace = Pace.HOST

    def __init__(
        self,
        name: str = "metronome",
        channels: int = 1,
        *,
        seconds: float = 0.0,
        rate_hz: float | None = None,
        clock: LoopClock | None = None,
    ):
        from riglog.model import Stamp

        self.name = name
        self.rate_hz = rate_hz
        self.seconds = seconds
        self.polls = 0
        self.clock = clock or LoopClock()
        self._stamp: Any = Stamp
        self.channels = [
            Channel(device=name, driver="toy", protocol="toy", address=None, parameter=f"p{number}", unit="V")
            for number in range(channels)
        ]

    async def poll(self) -> list[Sample]:
        import anyio

        await anyio.sleep(self.seconds)
        self.polls += 1
        stamp = self._stamp(self.clock.utc_ns(), 1_000_000, self.clock.monotonic_ns())
        return [Sample(channel=channel, stamp=stamp, value=float(self.polls), unit="V") for channel in self.channels]


class Metronomes:
    """Sources side by side, as a manager has them; none comes or goes."""

    closed = False

    def __init__(self, members: Iterable[Metronome]) -> None:
        self.members = list(members)

    def sources(self, names: object = None) -> list[Metronome]:
        return self.members

    def subscribe(self, listener: object) -> object:
        return lambda: None

    async def changed(self) -> None:
        import anyio

        await anyio.sleep_forever()
