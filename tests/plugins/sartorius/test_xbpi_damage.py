"""What an xBPI reply states besides its number must fit the number: its checksum is a sum of 8 bits."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations
from typing import Any

import anyio
import pytest

from riglog.device import StatedFacts
from riglog.errors import MalformedReplyError
from riglog.model import Status
from riglog.testing import scripted, step
from riglog_sartorius.simulator.scale import Shown
from riglog_sartorius.simulator.xbpi import XbpiBalance
from riglog_sartorius.simulator.xbpi_reads import weight
from riglog_sartorius.xbpi import opcodes
from riglog_sartorius.xbpi.codec import XbpiCodec, XbpiRequest
from riglog_sartorius.xbpi.frames import Frame, frame_fault, parse_frame, reply_frame, request_frame, u8
from riglog_sartorius.xbpi.measurement import encode_float40, parse_measurement, weight_facts, weight_fault
from riglog_sartorius.xbpi.opcodes import COMBINED, Content

NET = bytes.fromhex("0b41484347fcac0830424585")  # 199.987 g
SMALL = bytes.fromhex("0b4148bba3d70a3d30824507")  # -0.005 g
STATUS = bytes.fromhex("0b414800008188181000450a")
BOTH = reply_frame(NET[2:-1] + STATUS[2:-1])
REFUSED = bytes.fromhex("044101074d")  # its arguments
UNKNOWN = reply_frame(b"\x01\x04")
READ_SENSOR = request_frame(opcodes.READ_TEMPERATURE, u8(0))
READ_NET, READ_BOTH = XbpiRequest(0x1E), XbpiRequest(0x1E, COMBINED)


def decoded(request: XbpiRequest, received: bytes) -> Frame | None:
    return XbpiCodec().decode(request, bytearray(received), final=True)


@pytest.mark.parametrize("decimals", range(8))
@pytest.mark.parametrize("more", [0, 1, 2])
@pytest.mark.parametrize("digits", [0, 1, -5, 199987, -326185, 12345678, 99999999])
def test_a_number_that_the_display_can_show_is_accepted_at_every_resolution(
    digits: int, decimals: int, more: int
) -> None:
    shown = Shown(Fraction(digits * 10**more, 10 ** (decimals + more)), decimals + more, "g", stable=True)
    assert weight_fault(weight(shown, Content.NET).data) is None


def test_a_number_rounded_to_forty_bits_instead_of_truncated_is_accepted_and_no_other() -> None:
    accepted = [0, 0, 0]
    for digits in range(199_000, 200_000):
        truncated = weight(Shown(Fraction(digits, 1000), 3, "g", stable=True), Content.NET).data
        for more in range(3):
            number = int.from_bytes(truncated[:5]) + more
            accepted[more] += weight_fault(number.to_bytes(5) + truncated[5:]) is None
    assert accepted[0] == 1000
    assert 300 < accepted[1] < 700  # where rounding goes up
    assert accepted[2] == 0


@pytest.mark.parametrize("value", [199.987, -0.005, 326.185, 8199.99, 0.032, -1234.567])
def test_a_number_of_32_bits_and_a_zero_byte_is_accepted(value: float) -> None:
    sign = 0x40 if value > 0 else 0x80
    assert weight_fault(struct.pack(">f", value) + bytes([0, 0x30, sign | 2, 0x45])) is None


@pytest.mark.parametrize(
    ("at", "bits", "fault"),
    [(6, 0xC0, "sign"), (6, 0x40, "sign"), (0, 0x80, "sign"), (2, 0x01, "decimals"), (5, 0x10, "decimals")],
)
def test_a_sign_or_decimals_that_do_not_fit_the_number_are_a_damaged_reply(at: int, bits: int, fault: str) -> None:
    data = bytearray(NET[3:-1])
    data[at] ^= bits
    assert weight_fault(bytes(data)) == fault
    with pytest.raises(MalformedReplyError, match=f"the number contradicts the {fault} in the reply"):
        decoded(READ_NET, reply_frame(b"\x48" + bytes(data)))


def test_a_number_off_scale_contradicts_nothing() -> None:
    assert weight_fault(bytes.fromhex("7fffffffff300205")) is None


def test_of_high_resolution_replies_only_the_sign_is_compared() -> None:
    data = bytearray(NET[3:-1])
    data[4] += 9
    hires = XbpiRequest(opcodes.READ_NET_HIRES, b"\x21\x01")
    assert decoded(hires, reply_frame(b"\x48" + bytes(data))) is not None
    data[6] ^= 0xC0
    with pytest.raises(MalformedReplyError):
        decoded(hires, reply_frame(b"\x48" + bytes(data)))


def with_two_flipped_bits(frame: bytes) -> Iterator[bytes]:
    """Return each frame with two flipped bits of which the checksum shows nothing."""
    for one, two in combinations(range(8 * len(frame)), 2):
        damaged = bytearray(frame)
        damaged[one // 8] ^= 1 << one % 8
        damaged[two // 8] ^= 1 << two % 8
        if frame_fault(bytes(damaged)) is None:
            yield bytes(damaged)


def counts(request: XbpiRequest, frame: bytes) -> tuple[int, int, int]:
    """Return how many of them have another value or unit: by form alone, if the number fits, if the facts do too."""
    right = parse_measurement(frame[3:11])
    facts = StatedFacts()
    for _ in range(2):
        facts.prove(weight_facts(frame[3:11]))
    by_form = by_number = by_facts = 0
    for damaged in with_two_flipped_bits(frame):
        found = parse_frame(damaged)
        assert found is not None
        codec_form = found.types == request.reply_signature and not found.rest
        data = damaged[3:11]
        read = parse_measurement(data) if codec_form else right
        if read.value is None or (read.value, read.unit) == (right.value, right.unit):
            continue
        by_form += 1
        try:
            if decoded(request, damaged) is None:
                continue
        except MalformedReplyError:
            continue
        by_number += 1
        by_facts += facts.agree(weight_facts(data))
    return by_form, by_number, by_facts


@pytest.mark.parametrize(
    ("request_", "frame", "expected"),
    [(READ_NET, NET, (131, 33, 15)), (READ_NET, SMALL, (80, 11, 0)), (READ_BOTH, BOTH, (295, 112, 79))],
    ids=["net", "small", "combined"],
)
def test_most_pairs_of_flipped_bits_that_the_checksum_lets_through_are_detected(
    request_: XbpiRequest, frame: bytes, expected: tuple[int, int, int]
) -> None:
    """What remains changes the number by a step of the display that is also a bit, such as 1 or 0.125."""
    assert counts(request_, frame) == expected


class Twice(XbpiBalance):
    """Sends everything twice, in one piece."""

    def receive(self, data: bytes, now: float) -> bytes:
        return super().receive(data, now) * 2


async def test_a_balance_that_sends_everything_twice_can_be_recorded(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(Twice(), protocol="xbpi", parameters=["net", "gross", "temperature"])
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()
    values = set()
    for _ in range(10):
        samples = await bench.balance.poll()
        assert {sample.status for sample in samples} == {Status.OK}
        values.add(samples[0].value)
        await anyio.sleep(0.1)
    assert len(values) == 10


def test_equal_replies_to_a_change_are_no_reply() -> None:
    ack = bytes.fromhex("03410044")
    assert decoded(XbpiRequest(opcodes.TARE), ack) is not None
    assert decoded(XbpiRequest(opcodes.TARE), ack + ack) is None


async def test_a_unit_that_one_damaged_reply_states_is_not_recorded_and_a_changed_one_is(
    new_bench: Callable[..., Any],
) -> None:
    kilogram = reply_frame(b"\x48" + NET[3:9] + bytes([0x43, 0x44]))  # two bits: the unit, and an unknown kind
    gram, milligram = NET, reply_frame(b"\x48" + NET[3:9] + bytes([0x4D, 0x45]))
    replies = [gram] * 3 + [kilogram] + [gram] * 3 + [milligram] * 4
    transport = scripted(*[step(bytes.fromhex("040109202e"), gross(reply)) for reply in replies])
    bench = new_bench(protocol="xbpi", transport=transport, parameters=["gross"])
    taken = [(await bench.balance.poll())[0] for _ in range(8)]
    assert [(sample.value, sample.unit) for sample in taken] == [(199.987, "g")] * 5 + [(199.987, "mg")] * 3
    assert transport.peer.finished  # type: ignore[attr-defined]


def gross(net: bytes) -> bytes:
    """Return the reply with the kind of a gross weight in place of net."""
    return reply_frame(net[2:-2] + bytes([net[-2] & 0xF0 | (0x03 if net[-2] & 0x0F == 0x05 else 0x04)]))


async def test_readings_that_contradict_each_other_are_no_value(new_bench: Callable[..., Any]) -> None:
    units = [reply_frame(b"\x48" + NET[3:9] + bytes([0x40 | unit, 0x43])) for unit in (0x02, 0x03)]
    transport = scripted(*[step(bytes.fromhex("040109202e"), reply) for reply in units])
    bench = new_bench(protocol="xbpi", transport=transport, parameters=["gross"])
    (sample,) = await bench.balance.poll()
    assert (sample.value, sample.status) == (None, Status.MISSING)
    assert sample.error == "two replies in a row state different units, decimals or layouts"


async def test_a_temperature_that_jumps_is_read_again_before_it_is_a_value(new_bench: Callable[..., Any]) -> None:
    def reply(value: float) -> bytes:
        return reply_frame(b"\x35" + encode_float40(Fraction(value)))

    sent = [22.5, 22.5, 22.6, 86.5, 22.7, 22.8, 40.0, 40.1, 40.2, 80.0, 20.0]
    transport = scripted(*[step(READ_SENSOR, reply(value)) for value in sent])
    bench = new_bench(protocol="xbpi", transport=transport, parameters=["temperature"])
    taken = [(await bench.balance.poll())[0] for _ in range(7)]
    assert [sample.value for sample in taken[:6]] == pytest.approx([22.5, 22.6, 22.7, 22.8, 40.1, 40.2])
    assert (taken[6].value, taken[6].error) == (None, "two replies in a row state different temperatures")
