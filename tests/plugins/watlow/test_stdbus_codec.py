"""Frames, values, and which frame is a reply. Source: Watlow wire specification, sections 2 to 4 and 7."""

import random

import pytest

from riglog.errors import MalformedReplyError
from riglog_watlow.errors import (
    AccessDeniedError,
    NoSuchClassError,
    NoSuchInstanceError,
    NoSuchMemberError,
    ParameterAbsentError,
    ValueNotAcceptedError,
    WatlowRefusedError,
    WrongTypeError,
)
from riglog_watlow.parameters import WireValue
from riglog_watlow.stdbus import frames, message
from riglog_watlow.stdbus.codec import ALL_MASTERS, MASTERS, StdBusCodec, StdBusRequest, read_request, write_request

PV = read_request(1, 4001)


def reply(request: StdBusRequest, value: bytes, **changed: int) -> bytes:
    """Return the reply frame to a request, with another type, destination or source if given."""
    head = b"\x02\x03\x01" if request.value is None else b"\x02\x04"
    kind, destination = changed.get("kind", frames.REPLY), changed.get("destination", request.source or 0)
    source = changed.get("source", frames.mac(request.address))
    return frames.frame_bytes(kind, destination, source, head + request.selector + value)


def read(request: StdBusRequest, *pieces: bytes, final: bool = True) -> object:
    decoded = StdBusCodec().decode(request, bytearray(b"".join(pieces)), final=final)
    return None if decoded is None else decoded.value


VALUE = message.encode_value(message.FLOAT, 72.5)
GOOD = reply(PV, VALUE)


def test_the_check_values_of_both_crcs() -> None:
    assert frames.header_register(b"123456789") ^ 0xFF == 0x89
    assert frames.data_register(b"123456789") ^ 0xFFFF == 0x906E


@pytest.mark.parametrize(
    ("tag", "value", "data"),
    [
        (message.UINT8, 255, "01FF"),
        (message.UINT16, 0x1234, "031234"),
        (message.UINT32, 0xFFFFFFFF, "05FFFFFFFF"),
        (message.INT32, -2, "06FFFFFFFE"),
        (message.FLOAT, 392.0, "0843C40000"),
        (message.STRING, "EZ-ZONE PM", "090B455A2D5A4F4E4520504D00"),
        (message.WORDS, 71, "0F010047"),
    ],
)
def test_a_value_is_encoded_and_decoded_again(tag: int, value: WireValue, data: str) -> None:
    assert message.encode_value(tag, value).hex().upper() == data
    assert message.decode_value(bytes.fromhex(data)) == (tag, value)


def test_a_packed_value_of_two_words_has_the_most_significant_first() -> None:
    assert message.decode_value(bytes.fromhex("0F0200010002")) == (message.WORDS, 0x00010002)


@pytest.mark.parametrize(
    "data", ["", "08", "0843C400", "0843C4000000", "0F00", "0F010047FF", "0903414200FF", "0700", "0901FF"]
)
def test_a_value_that_does_not_consume_its_bytes_is_malformed(data: str) -> None:
    with pytest.raises(MalformedReplyError):
        read(PV, reply(PV, bytes.fromhex(data)))


@pytest.mark.parametrize(
    ("tag", "value"), [(message.UINT8, 256), (message.WORDS, -1), (message.FLOAT, 1e39), (0x77, 1)]
)
def test_a_value_that_does_not_fit_its_type_is_not_encoded(tag: int, value: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        message.encode_value(tag, value)


@pytest.mark.parametrize(
    "other",
    [
        StdBusCodec().encode(PV),
        reply(PV, VALUE, kind=frames.REQUEST),
        reply(PV, VALUE, source=frames.mac(2)),
        reply(PV, VALUE, destination=3),
        reply(read_request(1, 4002), VALUE),
        reply(read_request(1, 4001, 2), VALUE),
        reply(write_request(1, 4001, 1, message.FLOAT, 1.0), VALUE),
        frames.frame_bytes(frames.REPLY, 0, frames.mac(2), b"\x02\x80"),
        frames.frame_bytes(frames.REPLY, 0, frames.mac(1), b"\x01" + b"\x80" * 9),
        frames.frame_bytes(frames.REPLY, 0, frames.mac(1), b""),
    ],
)
def test_a_frame_that_is_the_reply_to_another_request_is_skipped(other: bytes) -> None:
    assert read(PV, other) is None
    assert StdBusCodec().diagnose(PV, other) == "unmatched"
    assert read(PV, other, GOOD) == 72.5
    assert read(PV, GOOD, other) == 72.5


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_a_frame_cut_anywhere_gives_no_value_and_the_next_frame_does(cut: int) -> None:
    assert read(PV, GOOD[:cut]) is None
    assert read(PV, GOOD[:cut], GOOD) == 72.5


@pytest.mark.parametrize("where", range(len(GOOD) * 8))
def test_no_single_wrong_bit_gives_a_value(where: int) -> None:
    damaged = bytearray(GOOD)
    damaged[where // 8] ^= 1 << where % 8
    assert read(PV, bytes(damaged)) is None
    assert read(PV, bytes(damaged), GOOD) == 72.5


def test_a_preamble_behind_a_stray_first_byte_is_found() -> None:
    assert read(PV, b"\x55", GOOD) == 72.5
    assert read(PV, b"\x55\x55\xff", GOOD) == 72.5


def test_a_preamble_inside_a_payload_does_not_restart_the_receiver() -> None:
    value = bytes.fromhex("0855FF0600")
    assert read(PV, reply(PV, value)) == message.decode_value(value)[1]


def test_a_header_that_announces_too_much_holds_the_frame_inside_only_until_the_end() -> None:
    header = frames.frame_bytes(frames.REPLY, 0, 0x10, bytes(500))[:8]
    assert read(PV, header, GOOD, final=False) is None
    assert read(PV, header, GOOD, final=True) == 72.5


def test_a_header_that_announces_more_than_any_payload_is_damage() -> None:
    header = frames.frame_bytes(frames.REPLY, 0, 0x10, bytes(513))[:8]
    assert read(PV, header, GOOD, final=False) == 72.5
    assert StdBusCodec().diagnose(PV, header) == "bad_header_crc"


def test_hundreds_of_bytes_of_noise_are_tolerated() -> None:
    dice = random.Random(7)
    for _ in range(20):
        assert read(PV, dice.randbytes(300), GOOD) == 72.5


def test_diagnose_names_the_strongest_evidence() -> None:
    data_damaged, header_damaged = GOOD[:-1] + b"\x00", GOOD[:7] + b"\x00" + GOOD[8:]
    cases = [
        (header_damaged + GOOD[:12] + data_damaged, "bad_data_crc"),
        (header_damaged + GOOD[:12], "truncated"),
        (header_damaged, "bad_header_crc"),
        (StdBusCodec().encode(PV), "unmatched"),
        (GOOD[:7], "no_reply"),
        (b"noise", "no_reply"),
        (b"", "no_reply"),
    ]
    assert [StdBusCodec().diagnose(PV, data) for data, _ in cases] == [reason for _, reason in cases]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x80, AccessDeniedError),
        (0x81, NoSuchClassError),
        (0x83, NoSuchMemberError),
        (0x84, NoSuchInstanceError),
        (0x85, WrongTypeError),
        (0x86, ValueNotAcceptedError),
        (0x82, WatlowRefusedError),
        (0xFE, WatlowRefusedError),
    ],
)
def test_every_error_code_is_its_own_error(code: int, kind: type[WatlowRefusedError]) -> None:
    with pytest.raises(WatlowRefusedError) as caught:
        read(PV, frames.frame_bytes(frames.REPLY, 0, 0x10, bytes([2, code])))
    assert type(caught.value) is kind
    assert caught.value.code == f"{code:02X}"
    assert issubclass(kind, ParameterAbsentError) == (code in (0x81, 0x83, 0x84))


def test_an_error_reply_may_be_followed_by_anything() -> None:
    with pytest.raises(NoSuchMemberError):
        read(PV, frames.frame_bytes(frames.REPLY, 0, 0x10, b"\x02\x83 and more"))


def test_bytes_after_the_reply_stay_in_the_buffer() -> None:
    buffer = bytearray(b"noise" + GOOD + b"rest")
    assert StdBusCodec().decode(PV, buffer) is not None
    assert buffer == b"rest"


@pytest.mark.parametrize("masters", [MASTERS, ALL_MASTERS])
def test_a_reply_to_another_master_is_no_reply_to_this_variant(masters: tuple[int, ...]) -> None:
    codec = StdBusCodec(masters)
    usual, *others = codec.variants(PV)
    assert codec.decode(usual, bytearray(GOOD)) is not None
    for other in others:
        assert codec.decode(other, bytearray(GOOD)) is None
        assert codec.replies_in(other, GOOD) == []
    assert {codec.encode(variant)[4] for variant in (usual, *others)} == set(masters)
    assert len(codec.variants(PV)) == len(masters) == len(set(masters))


def test_masters_that_a_controller_has_not_confirmed_are_not_used_of_themselves() -> None:
    assert MASTERS == (0x00, 0x03)
    assert len(ALL_MASTERS) == 112
    assert not set(ALL_MASTERS) & set(range(0x10, 0x20))  # controllers


def test_a_resync_request_reads_what_is_not_outstanding() -> None:
    codec = StdBusCodec()
    outstanding = [*codec.variants(PV)]
    while (resync := codec.resync_request(PV, outstanding)) is not None:
        assert codec.is_repeatable(resync)
        assert codec.reply_signature(resync) not in map(codec.reply_signature, outstanding)
        outstanding.append(resync)
    assert len(outstanding) == 8


def test_replies_to_two_writes_look_alike_whatever_was_written() -> None:
    """The reply to a write contains no value, and neither contains the address by which it is told from others."""
    codec = StdBusCodec()
    one, other = (write_request(1, 7001, 1, 0x08, value) for value in (20.0, 30.0))
    assert codec.reply_signature(one) == codec.reply_signature(other)
    read, elsewhere = read_request(1, 7001), read_request(2, 7001)
    assert codec.reply_signature(read) == codec.reply_signature(elsewhere) != codec.reply_signature(one)
    masters = [codec.reply_signature(variant) for variant in codec.variants(read)]
    assert len(set(masters)) == len(masters) > 1
