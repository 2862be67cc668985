"""What proves that an xBPI reply belongs to a request, and what does not."""

import random

import pytest

from riglog_sartorius.errors import IndexOutOfRangeError, UnknownOpcodeError, XbpiError
from riglog_sartorius.xbpi.codec import XbpiCodec, XbpiRequest
from riglog_sartorius.xbpi.frames import Frame, parse_frame, reply_frame, request_frame, scan, u8
from riglog_sartorius.xbpi.opcodes import COMBINED

NET = bytes.fromhex("0b41484347fcac0830424585")
OTHER = bytes.fromhex("0b41483d03126e9730420562")  # 0.032 g
GROSS = bytes.fromhex("0b414843a317ae14304203c8")
TARE = bytes.fromhex("0b414843a3174bc63042485c")
STATUS = bytes.fromhex("0b414800008188181000450a")
ODD = reply_frame(bytes.fromhex("484347fcac08304241"))  # a nibble that was never observed
BOTH = reply_frame(NET[2:-1] + STATUS[2:-1])
NODE = bytes.fromhex("0441210066")
REFUSED = bytes.fromhex("044101044a")
ACK = bytes.fromhex("03410044")

READ_NET, READ_GROSS, READ_TARE, READ_STATUS = (XbpiRequest(code) for code in (0x1E, 0x20, 0x22, 0x30))
READ_BOTH = XbpiRequest(0x1E, COMBINED)


def decoded(request: XbpiRequest, received: bytes, *, final: bool = True) -> Frame | None:
    return XbpiCodec().decode(request, bytearray(received), final=final)


@pytest.mark.parametrize(
    ("request_", "own", "others"),
    [
        (READ_NET, [NET, ODD], [GROSS, TARE, STATUS, BOTH, NODE, ACK]),
        (READ_GROSS, [GROSS, ODD], [NET, TARE, STATUS, BOTH, NODE, ACK]),
        (READ_TARE, [TARE, ODD], [NET, GROSS, STATUS, BOTH, NODE, ACK]),
        (READ_STATUS, [STATUS], [NET, GROSS, TARE, ODD, BOTH, NODE, ACK]),
        (READ_BOTH, [BOTH], [NET, GROSS, TARE, STATUS, NODE, ACK]),
        (XbpiRequest(0x14), [ACK], [NET, STATUS, NODE]),
        (XbpiRequest(0x55, u8(7)), [bytes.fromhex("0641210221048f")], [NODE, NET, ACK]),
    ],
)
def test_a_reply_belongs_only_to_requests_it_agrees_with(
    request_: XbpiRequest, own: list[bytes], others: list[bytes]
) -> None:
    for frame in own:
        assert decoded(request_, frame) == parse_frame(frame)
    for frame in others:
        assert decoded(request_, frame) is None
        assert decoded(request_, frame + own[0]) == parse_frame(own[0])  # and what follows it is found


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("stale", [OTHER, REFUSED, ODD])
def test_with_two_candidates_neither_is_the_reply(stale: bytes, final: bool) -> None:
    assert decoded(READ_NET, stale + NET, final=final) is None
    for cut in range(1, len(NET)):
        assert decoded(READ_NET, stale + NET[:cut], final=final) is None


def test_the_echo_of_a_two_wire_adapter_is_skipped() -> None:
    assert decoded(READ_NET, request_frame(0x1E) + NET) == parse_frame(NET)


def test_noise_before_a_frame_is_skipped_and_noise_that_may_be_a_frame_is_waited_for() -> None:
    assert decoded(READ_NET, b"\xff\x00\x41N +" + NET, final=False) == parse_frame(NET)
    assert decoded(READ_NET, b"\xf0\x41" + NET, final=False) is None
    assert decoded(READ_NET, b"\xf0\x41" + NET, final=True) == parse_frame(NET)


@pytest.mark.parametrize("reply", [NET, BOTH, NODE, ACK])
def test_no_flipped_bit_and_no_cut_makes_a_reply(reply: bytes) -> None:
    request = {NET: READ_NET, BOTH: READ_BOTH, NODE: XbpiRequest(0x71), ACK: XbpiRequest(0x14)}[reply]
    for at in range(len(reply)):
        assert decoded(request, reply[:at]) is None
        for bit in range(8):
            assert decoded(request, reply[:at] + bytes([reply[at] ^ 1 << bit]) + reply[at + 1 :]) is None


def test_an_unknown_opcode_with_an_index_is_an_index_out_of_range() -> None:
    with pytest.raises(UnknownOpcodeError):
        decoded(XbpiRequest(0x62), REFUSED)
    with pytest.raises(IndexOutOfRangeError) as caught:
        decoded(XbpiRequest(0x76, u8(4)), REFUSED)
    assert caught.value.code == 0x04


@pytest.mark.parametrize("code", [0x10, 0x11])
def test_both_index_errors_are_one(code: int) -> None:
    with pytest.raises(IndexOutOfRangeError):
        decoded(XbpiRequest(0x2E, u8(3)), reply_frame(bytes([0x01, code])))


def test_an_undocumented_code_is_a_refusal_with_that_code() -> None:
    with pytest.raises(XbpiError) as caught:
        decoded(READ_NET, reply_frame(b"\x01\x42"))
    assert (type(caught.value), caught.value.code) == (XbpiError, 0x42)


def test_a_resync_request_has_a_signature_that_is_neither_outstanding_nor_requested() -> None:
    codec, request = XbpiCodec(), XbpiRequest(0x55, u8(7))
    outstanding: list[XbpiRequest] = [READ_NET, READ_BOTH]
    seen = []
    while (resync := codec.resync_request(request, outstanding)) is not None:
        assert codec.reply_signature(resync) not in [codec.reply_signature(other) for other in (request, *outstanding)]
        outstanding.append(resync)
        seen.append(resync.opcode)
    assert seen == [0x02, 0x71, 0x01, 0x00]


def test_where_any_reply_is_possible_there_is_no_resync_request() -> None:
    assert XbpiCodec().resync_request(READ_NET, [XbpiRequest(0x99)]) is None
    assert XbpiCodec().resync_request(XbpiRequest(0x99), [READ_NET]) is None


def test_a_value_shorter_than_its_type_is_kept_and_no_error() -> None:
    frame = parse_frame(reply_frame(bytes.fromhex("24010203")))
    assert frame is not None
    assert (frame.items, frame.rest) == ((), bytes.fromhex("24010203"))
    assert decoded(XbpiRequest(0x99), frame.raw) == frame


def test_the_scanner_finds_every_frame_in_a_captured_stream() -> None:
    dice = random.Random(1)
    frames = [NET, NODE, BOTH, ACK, STATUS] * 40
    noise = [bytes(dice.choices([0x00, 0x02, 0x30, 0xF0, 0xFF], k=dice.randrange(6))) for _ in frames]
    stream = b"".join(part for pair in zip(noise, frames, strict=True) for part in pair)
    found = scan(stream)
    assert [frame.raw for frame in found.frames] == frames
    assert found.skipped == sum(map(len, noise))


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (b"", "no_reply"),
        (NET[:-1] + b"\x55", "bad_checksum"),  # the misprint of circulating examples
        (b"\x0b\x42" + NET[2:], "bad_marker"),
        (NET[:5], "incomplete"),
        (GROSS, "unmatched"),
        (b"N     +    0.006 g  \r\n", "ascii_text"),
    ],
)
def test_the_diagnosis_is_one_word(received: bytes, reason: str) -> None:
    assert XbpiCodec().diagnose(READ_NET, received) == reason
