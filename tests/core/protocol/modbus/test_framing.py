"""Good replies are found in dirty buffers, and nothing else is ever taken for one."""

import random
from collections.abc import Iterator

import pytest

from riglog.protocol.checksums import crc16, lrc
from riglog.protocol.modbus import IllegalDataAddressError, ModbusCodec, ModbusRequest, framing_of
from riglog.transport import Link

PROTOCOLS = ("modbus-rtu", "modbus-ascii", "modbus-tcp")
READ = ModbusRequest(1, bytes.fromhex("03 0064 0002"))
VALUE = bytes.fromhex("03 04 41cc 0000")
OTHER_VALUE = bytes.fromhex("03 04 c220 0000")


def codec_for(protocol: str) -> ModbusCodec:
    codec = ModbusCodec(framing_of(protocol), Link(protocol=protocol))
    codec.encode(READ)  # TCP: the reply must carry this transaction number
    return codec


def framed(protocol: str, pdu: bytes, unit: int = 1) -> bytes:
    return framing_of(protocol).wrap(unit, pdu, 1)


def decoded(protocol: str, received: bytes, request: ModbusRequest = READ) -> bytes | None:
    return codec_for(protocol).decode(request, bytearray(received), final=True)


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_check_sums_have_the_published_check_values() -> None:
    assert crc16(b"123456789") == 0x4B37
    assert crc16(b"123456789\x37\x4b") == 0
    assert lrc(bytes.fromhex("1E080000ABCD")) == 0x62


def test_frames_are_the_documented_bytes() -> None:
    loopback = bytes.fromhex("080000ABCD")
    assert framing_of("modbus-rtu").wrap(30, loopback).hex() == "1e080000abcd5cc1"
    assert framing_of("modbus-ascii").wrap(30, loopback) == b":1E080000ABCD62\r\n"
    assert framing_of("modbus-tcp").wrap(30, loopback, 7).hex() == "0007000000061e080000abcd"


def test_a_reply_split_anywhere_is_one_reply(protocol: str) -> None:
    good = framed(protocol, VALUE)
    for cut in range(1, len(good)):
        codec, buffer = codec_for(protocol), bytearray(good[:cut])
        assert codec.decode(READ, buffer) is None
        buffer += good[cut:]
        assert codec.decode(READ, buffer) == VALUE
        assert not buffer


def dirty(protocol: str) -> Iterator[tuple[str, bytes]]:
    """What may stand before a good reply, by name."""
    good, wrap = framed(protocol, VALUE), framing_of(protocol).wrap
    yield "one junk byte", b"\xff"
    yield "one byte that is our unit", b"\x01"
    yield "unit and function", b"\x01\x03"
    yield "another unit's reply", framed(protocol, VALUE, unit=2)
    yield "another unit's refusal", framed(protocol, b"\x83\x02", unit=2)
    yield "a reply to another function", framed(protocol, b"\x04\x04\0\0\0\0")
    yield "fewer registers", framed(protocol, b"\x03\x02\0\1")
    yield "more registers", framed(protocol, b"\x03\x06\0\1\0\2\0\3")
    yield "no registers", framed(protocol, b"\x03\x00")
    yield "an odd byte count", framed(protocol, b"\x03\x03\0\1\0")
    yield "an unknown function", framed(protocol, b"\x41\x04\0\0\0\0")
    yield "a refusal of another function", framed(protocol, b"\x84\x02")
    yield "our own request", wrap(1, READ.pdu, 1)
    if protocol == "modbus-tcp":
        yield "an older transaction", wrap(1, OTHER_VALUE, 0)
        yield "a header that leads nowhere", bytes.fromhex("0001 0000 00ff 01")
        return  # TCP itself neither loses nor damages bytes
    yield "a truncated reply", good[:-2]
    yield "a damaged reply", bytes([good[0], good[1], good[2], good[3] ^ 1]) + good[4:]
    if protocol == "modbus-ascii":
        yield "a colon", b":"
        yield "no hex digits", b":ZZ0304\r\n"
        yield "an odd number of digits", b":010\r\n"
        yield "spaces between the digits", b":01 03 04 41CC0000\r\n"
        yield "a line end", b"\r\n"


def test_a_good_reply_behind_anything_is_found(protocol: str) -> None:
    for name, junk in dirty(protocol):
        assert decoded(protocol, junk + framed(protocol, VALUE)) == VALUE, name


def test_anything_alone_is_no_reply(protocol: str) -> None:
    for name, junk in dirty(protocol):
        if protocol == "modbus-tcp" and name.startswith("another unit's"):
            continue  # the transaction number proves that it is: see test_gateways.py
        assert decoded(protocol, junk) is None, name


def test_two_replies_that_differ_prove_nothing(protocol: str) -> None:
    both = framed(protocol, OTHER_VALUE) + framed(protocol, VALUE)
    assert decoded(protocol, both) is None
    assert codec_for(protocol).diagnose(READ, both) == "ambiguous"


def test_the_same_reply_twice_is_one_reply(protocol: str) -> None:
    assert decoded(protocol, 2 * framed(protocol, VALUE)) == VALUE


def test_a_refusal_is_a_typed_error(protocol: str) -> None:
    with pytest.raises(IllegalDataAddressError) as caught:
        decoded(protocol, framed(protocol, b"\x83\x02"))
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("request_pdu", "wrong"),
    [
        ("05 0001 ff00", "05 0001 0000"),
        ("05 0001 ff00", "05 0002 ff00"),
        ("06 0010 1234", "06 0010 1235"),
        ("08 0000 abcd", "08 0000 abce"),
        ("0f 0000 000a 02 ffff", "0f 0000 000b"),
        ("10 0010 0002 04 00010002", "10 0011 0002"),
    ],
)
def test_a_write_is_confirmed_only_by_its_own_echo(protocol: str, request_pdu: str, wrong: str) -> None:
    request = ModbusRequest(1, bytes.fromhex(request_pdu))
    right = request.pdu[:5]
    assert decoded(protocol, framed(protocol, bytes.fromhex(wrong)), request) is None
    assert decoded(protocol, framed(protocol, right), request) == right


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
def test_twenty_thousand_replies_behind_noise_are_all_found(protocol: str) -> None:
    dice = random.Random(4)
    codec = codec_for(protocol)
    for _ in range(20_000):
        value = b"\x03\x04" + dice.randbytes(4)
        noisy = dice.randbytes(dice.randint(1, 11)) + framed(protocol, value)
        cut = dice.randrange(len(noisy))
        buffer = bytearray(noisy[:cut])
        reply = codec.decode(READ, buffer)
        buffer += noisy[cut:]
        assert (reply or codec.decode(READ, buffer) or codec.decode(READ, buffer, final=True)) == value


def test_a_damaged_bit_never_gives_a_value() -> None:
    for protocol in ("modbus-rtu", "modbus-ascii"):
        good = framed(protocol, VALUE)
        for bit in range(8 * len(good)):
            damaged = bytearray(good)
            damaged[bit // 8] ^= 1 << bit % 8
            assert decoded(protocol, bytes(damaged)) in (
                None,
                VALUE,
            )  # ASCII: another case of a digit is the same digit


def test_what_looks_like_a_reply_inside_an_unfinished_frame_of_another_unit_is_content() -> None:
    inner = framed("modbus-rtu", OTHER_VALUE)
    outer = framed("modbus-rtu", bytes([3, len(inner) + 1]) + inner + b"\0", unit=2)
    codec, buffer = codec_for("modbus-rtu"), bytearray(outer[:-2])
    assert codec.decode(READ, buffer) is None
    buffer += outer[-2:] + framed("modbus-rtu", VALUE)
    assert codec.decode(READ, buffer) == VALUE


def test_endless_noise_does_not_fill_the_memory(protocol: str) -> None:
    codec, buffer, dice = codec_for(protocol), bytearray(), random.Random(1)
    for _ in range(200):
        buffer += dice.randbytes(100)
        codec.decode(READ, buffer)
    assert len(buffer) < 1000


@pytest.mark.parametrize(
    ("protocol", "received", "why"),
    [
        ("modbus-rtu", b"", "no_reply"),
        ("modbus-rtu", framed("modbus-rtu", VALUE)[:-1], "truncated"),
        ("modbus-rtu", framed("modbus-rtu", VALUE)[:-1] + b"\0", "bad_crc"),
        ("modbus-rtu", framed("modbus-rtu", VALUE, unit=2), "unmatched"),
        ("modbus-ascii", framed("modbus-ascii", VALUE)[:-1], "truncated"),
        ("modbus-ascii", framed("modbus-ascii", VALUE)[:-4] + b"00\r\n", "bad_lrc"),
        ("modbus-ascii", b":zz\r\n", "malformed"),
        ("modbus-ascii", framed("modbus-ascii", VALUE, unit=2), "unmatched"),
        ("modbus-tcp", framed("modbus-tcp", VALUE)[:-1], "truncated"),
        ("modbus-tcp", framed("modbus-tcp", VALUE, unit=2), "unmatched"),
    ],
)
def test_the_error_says_what_came_instead(protocol: str, received: bytes, why: str) -> None:
    assert codec_for(protocol).diagnose(READ, received) == why


@pytest.mark.parametrize(
    "pdu", ["03 0064 0002", "03 0064 0001", "01 0000 0009", "05 0000 ff00", "06 0010 1234", "08 0000 abcd"]
)
def test_a_marker_is_harmless_and_looks_like_nothing_that_is_owed(pdu: str) -> None:
    codec, request = codec_for("modbus-rtu"), ModbusRequest(1, bytes.fromhex(pdu))
    owed: list[ModbusRequest] = [request]
    for _ in range(20):
        marker = codec.resync_request(request, owed)
        assert marker is not None
        assert marker.function in (1, 2, 3, 4, 8)
        assert codec.reply_signature(marker) not in [codec.reply_signature(one) for one in owed]
        owed.append(marker)


def test_on_tcp_the_transaction_number_is_proof_enough() -> None:
    assert codec_for("modbus-tcp").new_transaction_number()
    assert not codec_for("modbus-rtu").new_transaction_number()
    assert codec_for("modbus-tcp").hold_off == 0
