"""Transcripts of real sessions: recorded read-only, without serial numbers, and replayed for ever."""

import json
from pathlib import Path

import msgspec
import pytest
from broken_drivers import MeterKit
from meter import MeterDriver, framed
from meter_session import session

from riglog.errors import ConfigError, DeviceError
from riglog.protocol.modbus import framing_of
from riglog.testing import load_dialogue
from riglog.testing.evidence import blanked, only_reads, secrets_of
from riglog.testing.transcript import FORMAT, Dialogue, Exchange, Reading


def write(path: Path, dialogue: Dialogue) -> Path:
    path.write_bytes(msgspec.json.encode(dialogue))
    return path


async def test_a_transcript_is_loaded_and_replayed(tmp_path: Path) -> None:
    dialogue = load_dialogue(write(tmp_path / "meter.json", session()))
    assert dialogue == session()
    assert await dialogue.replay(MeterDriver()) == list(dialogue.readings)


async def test_a_driver_that_sends_something_else_fails() -> None:
    other = Exchange(framed("#07 X?").hex())
    with pytest.raises(AssertionError, match="script mismatch"):
        await session(exchanges=(other,)).replay(MeterDriver())


@pytest.mark.parametrize("good", [True, False])
async def test_the_kit_replays_the_transcripts_of_a_package(good: bool, tmp_path: Path) -> None:
    wrong = Reading("pressure", 1, 1013.26, "mbar", "ok")
    readings = session().readings if good else (wrong, *session().readings[1:])
    write(tmp_path / "meter.json", session(readings=readings))

    class Kit(MeterKit):
        def transcripts(self) -> list[Path]:
            return sorted(tmp_path.glob("*.json"))

    check = Kit().test_transcripts_of_real_instruments_give_the_same_values
    if good:
        await check()
    else:
        with pytest.raises(AssertionError, match=r"meter\.json"):
            await check()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "not a transcript"),
        ("[]", "not a transcript"),
        ('{"format": "riglog transcript 9"}', "not a transcript"),
        (json.dumps({"format": FORMAT}), "missing"),
        (msgspec.json.encode(session(exchanges=(Exchange("zz"),))).decode(), r"exchanges\[0\]: bytes are not"),
    ],
)
def test_a_file_that_is_no_transcript_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "meter.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_dialogue(path)


@pytest.mark.parametrize(
    "frame",
    [
        framing_of("modbus-rtu").wrap(7, bytes.fromhex("03040001e240"), 0),
        framing_of("modbus-ascii").wrap(7, bytes.fromhex("03040001e240"), 0),
        b"\x0212345678\xa6",
    ],
)
def test_a_serial_number_is_blanked_and_the_checksum_belongs_to_the_rest(frame: bytes) -> None:
    from riglog.testing.evidence import CHECKSUMS

    (checked, *_) = [one for one in CHECKSUMS if one(frame) == frame]
    clean = blanked(frame, secrets_of("123456" if len(frame) != 10 else "SN 12345678"))
    assert clean != frame
    assert checked(clean) == clean
    assert b"12345678" not in clean
    assert b"E240" not in clean.upper()


def test_only_the_parts_of_an_identity_with_digits_are_secret() -> None:
    assert secrets_of("EZ-ZONE PM6C1CA, series 4000, serial 0012345") == ["0012345"]
    assert secrets_of(None) == []
    assert blanked(b"1013.25", secrets_of("SN4711")) == b"1013.25"


def test_a_change_is_refused_before_it_is_sent() -> None:
    from meter import Ask, MeterCodec

    codec = MeterCodec()
    only_reads(codec)
    assert codec.encode(Ask(7, "P"))
    with pytest.raises(DeviceError, match="nothing was sent"):
        codec.encode(Ask(7, "L", "9.0"))
