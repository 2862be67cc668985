"""``raw`` and ``tap`` of every vendor: what is listened to is what the master of the line has read."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from terminal import riglog, simulated

from riglog.errors import ConfirmationError
from riglog.manager import DeviceSpec, resolve_device
from riglog.manager.raw_exchange import RawExchange, raw_exchange
from riglog.model import Sample, Status
from riglog.plugin import installed
from riglog.simulation import FaultyWire, parse_faults
from riglog.testing.conformance.listening import listen
from riglog.transport import Transport

LINES: tuple[dict[str, Any], ...] = (
    {"driver": "watlow"},
    {"driver": "watlow", "protocol": "modbus-rtu", "register_map": 1, "word_order": "low-high"},
    {"driver": "watlow", "protocol": "modbus-ascii", "register_map": 1, "word_order": "low-high"},
    {"driver": "watlow", "protocol": "modbus-rtu", "family": "sd"},
    {"driver": "servomex"},
    {"driver": "servomex", "protocol": "modbus-ascii"},
    {"driver": "servomex", "protocol": "continuous", "period": 1.0},
    {"driver": "sartorius"},
    {"driver": "sartorius", "autoprint": True},
    {"driver": "sartorius", "protocol": "xbpi", "parameters": ["net", "gross", "tare", "temperature"]},
    {"driver": "modbus", "instrument": "eastron-sdm630"},
    {"driver": "ascii", "instrument": "mettler-mt-sics"},
)


def spec_of(table: dict[str, Any]) -> DeviceSpec:
    return resolve_device(installed(), {"name": "line", "port": "sim:line", **table})


async def listened_to(
    spec: DeviceSpec, faults: Sequence[str] = (), polls: int = 20
) -> tuple[list[Sample], list[Sample]]:
    """Return what a master reads, and what a tap on its line records."""
    read, tapped = await listen(spec, FaultyWire(spec.simulator(), rates=parse_faults(faults), seed=5), polls)
    return read, [sample for one in tapped for sample in one.samples]


def numbers(samples: Sequence[Sample]) -> dict[str, set[object]]:
    found: dict[str, set[object]] = {}
    for sample in samples:
        if sample.value is not None:
            found.setdefault(f"{sample.parameter}[{sample.channel.instance}]", set()).add((sample.value, sample.unit))
    return found


@pytest.mark.parametrize("table", LINES, ids=lambda table: " ".join(map(str, table.values()))[:40])
async def test_a_tap_records_the_values_that_the_master_of_the_line_has_read(table: dict[str, Any]) -> None:
    read, recorded = await listened_to(spec_of(table))
    of_master, of_tap = numbers(read), numbers(recorded)
    assert of_master.keys() <= of_tap.keys()
    last = {(sample.parameter, sample.channel.instance): sample for sample in recorded}
    for sample in read[-len(of_master) :]:
        assert last[sample.parameter, sample.channel.instance].value == sample.value


@pytest.mark.parametrize("table", LINES, ids=lambda table: " ".join(map(str, table.values()))[:40])
async def test_a_faulty_line_gives_no_row_that_the_instrument_did_not_send(table: dict[str, Any]) -> None:
    spec = spec_of(table)
    faults = ("drop=0.1", "truncate=0.1", "garbage=0.1", "late=0.05", "glue=0.05")
    read, recorded = await listened_to(spec, faults, polls=40)
    ranges = {
        name: (min(numbers_of), max(numbers_of))
        for name, values in numbers(read).items()
        if (numbers_of := [float(value) for value, _ in values if isinstance(value, int | float)])  # type: ignore[misc]
    }
    for sample in recorded:
        name = f"{sample.parameter}[{sample.channel.instance}]"
        if sample.status is Status.OK and name in ranges and isinstance(sample.value, int | float):
            low, high = ranges[name]
            room = max(1.0, high - low)
            assert low - room <= sample.value <= high + room, sample


async def sent_raw(table: dict[str, Any], *words: str, **options: Any) -> RawExchange:
    return await raw_exchange(spec_of(table), words, **options)


@pytest.mark.parametrize(
    ("table", "words", "text"),
    [
        ({"driver": "watlow"}, ["read", "setpoint"], "setpoint = 75 degF"),
        ({"driver": "watlow"}, ["01", "03", "01", "07", "01", "01"], "setpoint = 75 degF"),
        ({"driver": "watlow", "protocol": "modbus-rtu"}, ["holding", "2488"], "holding register 2488: 1331"),
        ({"driver": "servomex"}, ["04", "0000", "0002"], "input register 0: "),
        ({"driver": "sartorius"}, ["x2_"], "SerNo.    0031801165"),
        ({"driver": "sartorius", "protocol": "xbpi"}, ["read_model"], "MSE1203S-100-DR"),
        ({"driver": "sartorius", "protocol": "xbpi"}, ["1E", "09", "30"], "326.1"),
        ({"driver": "modbus", "instrument": "eastron-sdm630"}, ["input", "0", "2"], "input register 0: "),
        ({"driver": "ascii", "instrument": "mettler-mt-sics"}, ["SI"], "S S "),
    ],
)
async def test_a_command_that_reads_is_sent_and_its_reply_is_explained(
    table: dict[str, Any], words: list[str], text: str
) -> None:
    exchange = await sent_raw(table, *words)
    assert exchange.problem is None
    assert exchange.frames[-1][0].text.startswith(text)
    assert exchange.pieces[-1][0] > 0


@pytest.mark.parametrize(
    ("table", "words", "frame"),
    [
        ({"driver": "watlow"}, ["01", "04", "07", "01", "01", "08", "42", "96", "00", "00"], None),
        ({"driver": "watlow"}, [], b"\x55\xff\x00"),
        ({"driver": "servomex"}, ["05", "0000", "FF00"], None),
        ({"driver": "sartorius"}, ["T"], None),
        ({"driver": "sartorius"}, ["Y"], None),
        ({"driver": "sartorius", "protocol": "xbpi"}, ["tare"], None),
        ({"driver": "sartorius", "protocol": "xbpi"}, ["BD"], None),
        ({"driver": "modbus", "instrument": "eastron-sdm630"}, [], b"\x01\x41\x00\x00"),
        ({"driver": "ascii", "instrument": "mettler-mt-sics"}, [], b"T\r\n"),
    ],
)
async def test_what_may_change_an_instrument_needs_confirmation_before_a_port_is_opened(
    table: dict[str, Any], words: list[str], frame: bytes | None
) -> None:
    async def opened(spec: DeviceSpec) -> Transport:
        raise AssertionError("the port was opened")

    with pytest.raises(ConfirmationError, match="may change the instrument"):
        await sent_raw(table, *words, frame=frame, opener=opened)
    exchange = await sent_raw(table, *words, frame=frame, confirm=True)
    assert exchange.sent


async def test_nothing_is_sent_to_a_balance_that_prints_without_requests() -> None:
    with pytest.raises(ConfirmationError, match="the line is in use"):
        await sent_raw({"driver": "sartorius", "autoprint": True}, "P")


async def test_a_read_frame_given_as_bytes_needs_no_confirmation() -> None:
    frame = bytes.fromhex("55 ff 05 10 00 00 06 e8 01 03 01 04 01 01 e3 99")
    exchange = await sent_raw({"driver": "watlow"}, frame=frame)
    assert (exchange.sent, exchange.problem) == (frame, None)
    assert exchange.samples[0].parameter == "process_value"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_a_line_with_a_simulated_master_is_listened_to_and_recorded_on_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "tap.sqlite"
    with simulated("watlow", "--link", tmp_path / "line", "--address", 1, "--address", 2, "--master", 5) as ready:
        done = riglog("tap", "watlow", "--port", ready["port"], "--duration", 3, "--out", out)
        assert done.code == 0, done.err
        assert "nothing is sent" in done.err
        assert " reply         2  setpoint = 75 degF" in done.out
        assert "= watlow-2.setpoint 75 degF (suspect)" in done.out
        used = riglog("raw", "watlow", "--port", ready["port"], "read", "setpoint")
        assert used.code == 2
        assert "the line is in use" in used.err
    latest = riglog("info", out, "--json").json["latest"]
    assert {row["device"] for row in latest} == {"watlow-1", "watlow-2"}
    assert {row["value"] for row in latest if row["parameter"] == "setpoint"} == {75}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_one_frame_is_sent_on_the_command_line(tmp_path: Path) -> None:
    with simulated("sartorius", "--protocol", "xbpi", "--link", tmp_path / "balance") as ready:
        reach = ["sartorius", "--protocol", "xbpi", "--port", ready["port"]]
        done = riglog("raw", *reach, "1E", "09", "30", "--json")
        assert done.code == 0, done.err
        assert done.json["sent"] == "0601091e093067"
        assert [one["kind"] for one in done.json["frames"]] == ["reply"]
        refused = riglog("raw", *reach, "0C")
        assert refused.code == 3
        assert "argument invalid or missing" in refused.err
        silent = riglog("raw", "watlow", "--port", ready["port"], "read", "setpoint")
        assert silent.code == 3
        assert "no reply within" in silent.err
