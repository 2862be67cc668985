"""Frames on a line that is only listened to: a value counts only as the reply to the request directly before it."""

import random

import pytest

from riglog.device import DeviceContext
from riglog.device.frame_reader import FrameKind
from riglog.device.modbus_reader import ModbusReader
from riglog.device.tap import LATE, NO_REQUEST, NOT_ITS_REPLY, UNCERTAIN, TapLine, Tapped
from riglog.model import NS
from riglog.protocol.modbus.framing import framing_of
from riglog.transport import Link

PROTOCOLS = ("modbus-rtu", "modbus-ascii")


class Bus:
    """A line on which register n always has the value n."""

    def __init__(self, protocol: str = "modbus-rtu") -> None:
        self.framing = framing_of(protocol)
        context = DeviceContext(device="line", driver="any", protocol=protocol)
        self.line = TapLine(ModbusReader(Link(protocol=protocol), context, 1))
        self.now = 0

    def prove(self) -> None:
        """Let two different replies show that nothing is outstanding."""
        for number in (1, 2):
            self.see(self.request(number, number + 10), self.reply(number, number + 10))

    def request(self, start: int, count: int = 2, function: int = 3, unit: int = 1) -> bytes:
        return self.framing.wrap(unit, bytes([function]) + start.to_bytes(2) + count.to_bytes(2))

    def reply(self, start: int, count: int = 2, function: int = 3, unit: int = 1) -> bytes:
        data = b"".join(number.to_bytes(2) for number in range(start, start + count))
        return self.framing.wrap(unit, bytes([function, len(data)]) + data)

    def see(self, *pieces: bytes, after: float = 0.0) -> list[Tapped]:
        self.now += round(after * NS)
        return [one for piece in pieces for one in self.line.feed(piece, self.now, self.now)]

    def idle(self, after: float = 0.2) -> list[Tapped]:
        self.now += round(after * NS)
        return self.line.idle(self.now, self.now)


def values(tapped: list[Tapped]) -> dict[str, object]:
    return {sample.parameter: sample.value for one in tapped for sample in one.samples}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reply_directly_behind_its_request_is_recorded(protocol: str) -> None:
    bus = Bus(protocol)
    bus.prove()
    request, reply = bus.see(bus.request(360)), bus.see(bus.reply(360), after=0.02)
    assert [one.frame.kind for one in request + reply] == [FrameKind.REQUEST, FrameKind.REPLY]
    assert values(reply) == {"holding_register_360": 360, "holding_register_361": 361}
    assert reply[0].stamp.latency_ns == 20_000_000
    assert reply[0].samples[0].device == "line-1"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_frames_are_the_same_in_whatever_pieces_they_arrive(protocol: str) -> None:
    bus = Bus(protocol)
    traffic = bus.request(7) + bus.reply(7) + bus.request(9, 1) + bus.reply(9, 1)
    whole = values(bus.see(traffic))
    for cut in range(len(traffic) + 1):
        other = Bus(protocol)
        assert values(other.see(traffic[:cut], traffic[cut:])) == whole
    assert whole == {"holding_register_9": 9}


def test_the_first_reply_may_belong_to_a_request_before_listening_began() -> None:
    bus = Bus()
    assert values(bus.see(bus.request(7), bus.reply(7))) == {}
    assert values(bus.see(bus.request(7), bus.reply(7), after=1)) == {}
    assert values(bus.see(bus.request(9, 1), bus.reply(9, 1), after=1)) == {"holding_register_9": 9}
    assert len(values(bus.see(bus.request(7), bus.reply(7), after=1))) == 2
    other = Bus()
    other.see(other.request(7), other.reply(7))
    assert len(values(other.see(other.request(7), other.reply(7), after=11))) == 2


def test_a_reply_whose_request_was_not_seen_is_shown_and_not_recorded() -> None:
    bus = Bus()
    (reply,) = bus.see(bus.reply(360))
    assert (reply.frame.kind, reply.samples, reply.why_not) == (FrameKind.REPLY, (), NO_REQUEST)


@pytest.mark.parametrize("place", range(8))
def test_a_damaged_request_proves_nothing(place: int) -> None:
    bus = Bus()
    request = bytearray(bus.request(360))
    request[place] ^= 4
    seen = bus.see(bytes(request) + bus.reply(360)) + bus.idle()
    assert values(seen) == {}
    assert FrameKind.DAMAGED in [one.frame.kind for one in seen]


def test_bytes_between_request_and_reply_make_the_reply_uncertain() -> None:
    bus = Bus()
    seen = bus.see(bus.request(360)) + bus.see(b"\x00\x17") + bus.idle() + bus.see(bus.reply(360)) + bus.idle()
    assert values(seen) == {}


def test_the_reply_of_another_instrument_is_not_taken_for_the_one_that_was_requested() -> None:
    bus = Bus()
    seen = bus.see(bus.request(360, unit=1), bus.reply(360, unit=2))
    assert [one.why_not for one in seen] == [None, NOT_ITS_REPLY]


def test_a_late_reply_is_not_taken_for_the_reply_to_the_next_request() -> None:
    bus = Bus()
    bus.prove()
    bus.see(bus.request(100))  # no reply in time
    seen = bus.see(bus.request(200), after=1) + bus.see(bus.reply(100), bus.reply(200), after=0.1)
    assert values(seen) == {}
    assert [one.why_not for one in seen] == [None, LATE, NO_REQUEST]
    seen = bus.see(bus.request(300), bus.reply(200), after=0.5)
    assert values(seen) == {}, "the replies may be one behind for ever"
    seen = bus.see(bus.request(300, 5), bus.reply(300, 5), after=0.5)
    assert len(values(seen)) == 5, "of this length no reply is outstanding"
    assert values(bus.see(bus.request(200), bus.reply(200), after=0.1)) != {}, "it responds in order"


def test_after_a_lost_reply_the_same_request_is_recorded_again_when_no_late_one_can_come() -> None:
    bus = Bus()
    bus.prove()
    bus.see(bus.request(100))
    assert values(bus.see(bus.request(100), bus.reply(100), after=1)) == {}
    assert values(bus.see(bus.request(100), bus.reply(100), after=11)) != {}


def test_a_frame_that_can_be_a_request_or_a_reply_is_not_recorded() -> None:
    bus = Bus()
    bus.prove()
    request = bus.request(0x0000, 20, function=2)
    ambiguous = bus.framing.wrap(1, bytes([2, 3, 0x10, 0x00, 0x07]))  # three bytes of bits, or a read at 0x0310
    seen = bus.see(request, ambiguous)
    assert [one.why_not for one in seen] == [None, UNCERTAIN]


def test_an_exception_reply_is_shown() -> None:
    bus = Bus()
    seen = bus.see(bus.request(360), bus.framing.wrap(1, b"\x83\x02"))
    assert values(seen) == {}
    assert seen[1].why_not == "Modbus exception 0x02: illegal data address"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seed", range(12))
def test_no_fault_of_the_line_makes_a_wrong_row(protocol: str, seed: int) -> None:
    """A master that reads registers in equal lengths; replies are lost, late, damaged, doubled or of another unit."""
    rng = random.Random(f"{protocol} {seed}")
    bus = Bus(protocol)
    coming: list[tuple[int, bytes]] = []
    seen: list[Tapped] = []
    for _ in range(600):
        next_request = bus.now + round(rng.choice((0.05, 0.3, 0.3, 2.0, 12.0)) * NS)
        while coming and coming[0][0] < next_request:
            at, reply = coming.pop(0)
            bus.now = max(bus.now, at)
            seen += bus.see(reply)
            if rng.random() < 0.03:
                seen += bus.see(bus.reply(rng.randrange(99), rng.choice((2, 3, 4)), unit=2))
        bus.now = max(bus.now, next_request)
        if rng.random() < 0.3:
            seen += bus.idle(0)
        start, count = rng.randrange(0, 4) * 16, rng.choice((2, 2, 3, 4))
        seen += bus.see(_damaged(bus.request(start, count), rng))
        if rng.random() > 0.03:
            delay = rng.choice((1, 4, 7)) if rng.random() < 0.05 else 0.02
            at = max([bus.now + round(delay * NS), *(at for at, _ in coming)])  # it responds in order
            refusal = bus.framing.wrap(1, b"\x83\x02")
            coming.append((at, _damaged(refusal if rng.random() < 0.02 else bus.reply(start, count), rng)))
    recorded = [sample for one in seen for sample in one.samples]
    assert all(sample.parameter == f"holding_register_{sample.value}" for sample in recorded)
    assert len(recorded) > 100


def _damaged(frame: bytes, rng: random.Random) -> bytes:
    chance = rng.random()
    at = rng.randrange(len(frame))
    if chance < 0.02:
        return frame[:at]
    if chance < 0.04:
        return frame[:at] + bytes([frame[at] ^ 1 << rng.randrange(8)]) + frame[at + 1 :]
    return rng.randbytes(3) + frame if chance < 0.05 else frame
