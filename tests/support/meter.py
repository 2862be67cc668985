"""A driver that passes the conformance kit, for tests of the kit: pressure meters with a checksum in every line.

Request ``#07 P?*6E``, reply ``#07 P 1013.25*2A``, write ``#07 L=12.5*…``; each ends with a carriage return.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from riglog.device import PortDevice, Safety, label_or_number, poll_reads
from riglog.device.frame_reader import INCOMPLETE, FrameKind, FrameReader, Incomplete, SeenFrame
from riglog.errors import ConfigError, DeviceRefusedError, ProtocolError, UnsupportedError, WriteRefusedError
from riglog.model import Channel, ParameterWrite, Sample, Stamp
from riglog.plugin import DeviceConfig, DeviceContext, Driver, Found
from riglog.protocol import Codec, Connection, HeldLine, ProtocolClient, TransactionCost
from riglog.simulation import Course, Truth, TruthfulSimulator
from riglog.transport import Link

UNITS = {"pressure": "mbar", "temperature": "degC", "limit": "mbar"}
LETTERS = {name: name[0].upper() for name in UNITS}


class Ask(Struct, frozen=True):
    """A read, or with a value a write."""

    address: int
    letter: str
    value: str | None = None

    @property
    def text(self) -> str:
        return f"#{self.address:02} {self.letter}{'?' if self.value is None else '=' + self.value}"


def framed(text: str) -> bytes:
    """Return a text with its checksum and its end."""
    return f"{text}*{sum(text.encode('latin-1')) & 0xFF:02X}\r".encode("latin-1")


def unframed(line: bytes) -> str | None:
    """Return the text of a line; None if its checksum is wrong."""
    text = line[:-3].decode("latin-1")
    return text if line + b"\r" == framed(text) else None


class MeterCodec(Codec[Ask, str]):
    def encode(self, request: Ask) -> bytes:
        return framed(request.text)

    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        while (end := buffer.find(b"\r")) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            found = re.search(rb"#\d\d \w (SN\d+|-?\d+\.\d+|!)\*..$", line)
            text = unframed(found[0]) if found else None
            if text is not None and text.startswith(f"#{request.address:02} {request.letter} "):
                return self.content(text[6:])
        return None

    def content(self, reply: str) -> str:
        if reply == "!":
            raise DeviceRefusedError("no such quantity", code="!")
        return reply

    def is_repeatable(self, request: Ask) -> bool:
        return request.value is None

    def address(self, request: Ask) -> object:
        return request.address

    def reply_signature(self, request: Ask) -> object:
        return request.address, request.letter

    def resync_request(self, request: Ask, outstanding: Sequence[Ask]) -> Ask | None:
        taken = {other.letter for other in (request, *outstanding)}
        return next((Ask(request.address, letter) for letter in "PTSL" if letter not in taken), None)


class MeterConfig(DeviceConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``address`` is set at the meter."""

    address: Annotated[int, Meta(ge=1, le=99)] = 1


MeterClient = ProtocolClient[Ask, str]


class Meter(PortDevice[MeterClient]):
    @property
    def address(self) -> int:
        assert isinstance(self.context.address, int)
        return self.context.address

    async def open(self) -> None:
        await self.identity()
        channel = self.context.channel
        self.channels = tuple(channel(name, unit=UNITS[name]) for name in ("pressure", "temperature"))

    async def identity(self, line: HeldLine[Ask, str] | None = None) -> str | None:
        return (await (line or self.client).transact(Ask(self.address, "S"))).reply

    async def poll(self, line: HeldLine[Ask, str] | None = None) -> Sequence[Sample]:
        async with self.client.hold(line) as held:

            async def read(channel: Channel) -> list[Sample]:
                return [await self.read(held, channel)]

            return await poll_reads(self.channels, lambda channel: [channel], read, self.context.clock)

    async def read(self, line: HeldLine[Ask, str] | MeterClient, channel: Channel) -> Sample:
        reply, stamp = await line.transact(Ask(self.address, LETTERS[channel.parameter]))
        return Sample(channel=channel, stamp=stamp, value=float(reply), unit=channel.unit)

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        if name != "limit":
            raise UnsupportedError(f"{name} cannot be written", device=self.name)
        self.confirm_change(Safety.PERSISTENT, name, confirm)
        if not re.fullmatch(r"\d+(\.\d+)?", value):
            raise WriteRefusedError(f"{name}: {value!r} is not a number", device=self.name)
        channel = self.context.channel(name, unit=UNITS[name])
        old = await self.read(self.client, channel)
        write = ParameterWrite(parameter=name, old_value=label_or_number(old), new_value=value, unit=UNITS[name])
        with self.writing(f"{name} = {value} mbar", write) as confirmed:
            await self.write(f"{float(value):.2f}")
            sample = await self.read(self.client, channel)
            confirmed(label_or_number(sample))
        return sample

    async def write(self, value: str) -> None:
        await self.client.transact(Ask(self.address, "L", value))


class MeterSimulator(TruthfulSimulator):
    def __init__(self, address: int, serial: str = "SN4711") -> None:
        self.address, self.serial, self.limit, self.buffer = address, serial, 900.0, b""
        phase = 100.0 * address
        self.courses = {"P": Course(950, 1050, 1700, phase), "T": Course(20, 30, 2100, phase)}

    def receive(self, data: bytes, now: float) -> bytes:
        *lines, self.buffer = (self.buffer + data).split(b"\r")
        return b"".join(self.reply(text, now) for line in lines if (text := unframed(line)) is not None)

    def reply(self, text: str, now: float) -> bytes:
        if not text.startswith(f"#{self.address:02} "):
            return b""
        letter, value = text[4], text[6:]
        if text[5] == "=":
            self.limit = float(value)
        match letter:
            case "S":
                content = self.serial
            case "L":
                content = f"{self.limit:.2f}"
            case _:
                content = f"{self.courses[letter].at(now):.3f}" if letter in self.courses else "!"
        return framed(f"#{self.address:02} {letter} {content}")

    def foreign(self, reply: bytes) -> bytes:
        text = reply[:-4].decode("latin-1")
        return framed(f"#{self.address % 99 + 1:02}{text[3:]}")

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        if course := self.courses.get(LETTERS[channel.parameter]):
            yield Truth(*course.extremes(start, end), UNITS[channel.parameter], 0.0006)


class MeterReader(FrameReader[Ask]):
    """Reads requests and replies of any address; a reply alone has no blank in its letter's place."""

    command_help = "a letter: P, T, S or L"

    def command(self, words: Sequence[str]) -> Ask:
        if len(words) != 1 or words[0] not in ("P", "T", "S", "L"):
            raise ConfigError("unknown command", hint=f"Give {self.command_help}")
        assert isinstance(self.context.address, int)
        return Ask(self.context.address, words[0])

    def first_frame(self, data: bytes, awaited: Ask | None, *, final: bool) -> SeenFrame | Incomplete | None:
        if data[:1] != b"#":
            return None
        end = data.find(b"\r") + 1
        if not end:
            return None if final else INCOMPLETE
        text = unframed(data[: end - 1])
        found = re.fullmatch(r"#(\d\d) ([A-Z])(\?|=.*| .*)", text or "")
        if text is None or found is None:
            return None
        address, letter, rest = int(found[1]), found[2], found[3]
        if rest.startswith(" "):
            return SeenFrame(FrameKind.REPLY, data[:end], text, address)
        request = Ask(address, letter, None if rest == "?" else rest[1:])
        return SeenFrame(FrameKind.REQUEST, data[:end], text, address, request)

    def samples(self, frame: SeenFrame, request: Ask | None, stamp: Stamp) -> Sequence[Sample]:
        name = next((name for name, letter in LETTERS.items() if request and letter == request.letter), None)
        if request is None or name is None:
            return ()
        reply = self.codec.decode(request, bytearray(frame.raw), final=True)
        channel = self.at(request.address).channel(name, unit=UNITS[name])
        return [Sample(channel=channel, stamp=stamp, value=float(reply or "nan"), unit=channel.unit)]


class MeterDriver(Driver[MeterConfig, MeterClient]):
    name, summary, protocols, config = "meter", "Pressure meters", ("meter-ascii",), MeterConfig

    def link(self, config: MeterConfig) -> Link:
        return config.link_over(Link(protocol="meter-ascii"))

    def address(self, config: MeterConfig) -> int:
        return config.address

    def connect(self, connection: Connection) -> MeterClient:
        return ProtocolClient(connection, MeterCodec(), timeout=0.3)

    def device(self, config: MeterConfig, client: MeterClient, context: DeviceContext) -> PortDevice[MeterClient]:
        return Meter(client, context)

    def simulator(self, config: MeterConfig) -> MeterSimulator:
        return MeterSimulator(config.address)

    def frame_reader(self, config: MeterConfig, context: DeviceContext) -> FrameReader[Ask]:
        return MeterReader(MeterCodec(), context)

    def transactions(self, config: MeterConfig) -> Sequence[TransactionCost]:
        return [TransactionCost(10, 17, turnaround=0.002)] * 2

    def settable(self, config: MeterConfig) -> Sequence[str]:
        return ["limit"]

    def links_to_probe(self) -> Sequence[Link]:
        return [Link(protocol="meter-ascii")]

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        found = []
        for address in range(1, 8):
            try:
                serial = (await self.connect(connection).transact(Ask(address, "S"), timeout=0.1)).reply
            except (ProtocolError, DeviceRefusedError):
                continue
            found.append(Found("meter-ascii", address, serial, {"address": address}))
        return found

    def demo(self) -> Sequence[Mapping[str, Any]]:
        return [{"name": "meter", "port": "meter-1", "address": 7}]
