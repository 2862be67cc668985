"""The simulated balances, byte by byte."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import anyio
import pytest

from riglog.errors import ConfigError
from riglog_sartorius.sbi.lines import parse_line
from riglog_sartorius.simulator.instrument import FAMILIES
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.xbpi import XbpiBalance
from riglog_sartorius.xbpi.frames import parse_frame, request_frame, u8
from riglog_sartorius.xbpi.measurement import decode_float40, encode_float40, parse_measurement

NET = bytes.fromhex("0401091e2c")


def items(balance: XbpiBalance, opcode: int, args: str = "", now: float = 1.0) -> list[str]:
    frame = parse_frame(balance.receive(request_frame(opcode, bytes.fromhex(args)), now))
    assert frame is not None
    return [f"{item.type:02x} {item.data.hex()}".strip() for item in frame.items]


@pytest.mark.parametrize(
    ("value", "pattern"),
    [("0.032", "3d03126e97"), ("-0.005", "bba3d70a3d"), ("199.987", "4347fcac08"), ("326.185", "43a317ae14")],
)
def test_values_are_the_truncated_patterns_of_a_real_balance(value: str, pattern: str) -> None:
    assert encode_float40(Fraction(value)).hex() == pattern
    assert decode_float40(bytes.fromhex(pattern)) == pytest.approx(float(value), rel=1e-9)


@pytest.mark.parametrize(("opcode", "nibble"), [(0x1E, 5), (0x20, 3), (0x22, 8)])
def test_the_flags_distinguish_net_gross_and_tare(opcode: int, nibble: int) -> None:
    frame = parse_frame(XbpiBalance().receive(request_frame(opcode), 1.0))
    assert frame is not None
    assert parse_measurement(frame.items[0].data).flags & 0x0F == nibble


@pytest.mark.parametrize(
    ("opcode", "args", "reply"),
    [
        (0x62, "", "01 04"),  # unknown
        (0x0C, "", "01 07"),  # argument missing
        (0x0C, "00", "01 07"),  # not wrapped
        (0x55, "2150", "01 03"),  # parameter 80
        (0x55, "220001", "01 07"),  # wider tag
        (0x76, "2104", "01 04"),
        (0x15, "", "01 06"),
        (0xBC, "2100", "01 07"),
        (0x02, "", "54 4d534531323033532d3130302d44520000000000"),
        (0x01, "", "45 0031801165"),
        (0x71, "", "21 00"),
    ],
)
def test_replies_are_those_of_the_manual(opcode: int, args: str, reply: str) -> None:
    assert items(XbpiBalance(), opcode, args) == [reply]


def test_a_combined_reading_is_a_weight_and_a_status_block() -> None:
    balance = XbpiBalance()
    assert items(balance, 0x1E, "0930", now=2.0) == [
        f"48 {encode_float40(Fraction('326.185')).hex()}304245",
        "48 0000818808100028",
    ]


@pytest.mark.parametrize("request_bytes", ["0401091e2d", "0401051e28", "0301091e", "02010912"])
def test_a_damaged_or_foreign_request_gets_no_reply(request_bytes: str) -> None:
    assert XbpiBalance().receive(bytes.fromhex(request_bytes), 1.0) == b""


def test_requests_may_come_in_pieces_but_not_too_slowly() -> None:
    balance = XbpiBalance()
    assert balance.receive(NET[:2], 1.0) == b""
    assert balance.receive(NET[2:], 1.05) != b""
    assert balance.receive(NET[:2], 2.0) == b""
    assert balance.receive(NET[2:], 2.2) == b""
    assert balance.receive(NET, 3.0) != b""


def test_a_load_settles_and_becomes_stable() -> None:
    balance = SbiBalance(wide=False)
    balance.receive(b"\x1bP\r\n", 9.0)
    balance.set("load", "100")
    lines = [parse_line(balance.receive(b"\x1bP\r\n", 10 + 0.1 * step)) for step in range(60)]
    values = [line.value for line in lines if line.value is not None]
    assert values == sorted(values, reverse=True)
    assert [line.stable for line in lines] == sorted(line.stable for line in lines)
    assert (lines[0].stable, lines[-1].stable) == (False, True)
    assert all(line.value == pytest.approx(100.0, abs=0.0015) for line in lines if line.stable)
    assert values[-1] == pytest.approx(100.0, abs=0.005)


def test_commands_without_a_reply_have_none_and_unknown_ones_are_ignored() -> None:
    balance = SbiBalance()
    for command in (b"\x1bT", b"\x1bV\r\n", b"\x1bK", b"\x1bq9_", b"hello", b"\x04\x01\x09\x02\x10"):
        assert balance.receive(command, 1.0) == b""
    assert balance.receive(b"\x1bx1_", 1.0) == b"MSE1203S-100-DR     \r\n"


def test_print_stops_autoprint_after_one_line_and_tare_starts_it_again() -> None:
    balance = SbiBalance(interval=0.1)
    balance.next_due(0.0)
    assert balance.idle(0.35).count(b"\r\n") == 3
    assert balance.receive(b"\x1bP\r\n", 0.36).count(b"\r\n") == 1
    assert balance.idle(5.0) == b""
    balance.receive(b"\x1bT\r\n", 5.0)
    balance.next_due(5.0)
    assert balance.idle(5.25).count(b"\r\n") == 2


def test_output_at_stability_prints_only_stable_values() -> None:
    balance = SbiBalance(interval=0.1)
    balance.set("output", "at_stability")
    balance.next_due(0.0)
    balance.set("load", "50")
    lines = balance.idle(6.0).splitlines(keepends=True)
    assert 0 < len(lines) < 60
    assert all(parse_line(line).stable for line in lines)


def test_an_adjustment_gives_status_lines_for_a_time() -> None:
    balance = SbiBalance(wide=True)
    balance.receive(b"\x1bZ\r\n", 1.0)
    assert balance.receive(b"\x1bP\r\n", 2.0) == b"Stat     Cal.Int.   \r\n"
    assert parse_line(balance.receive(b"\x1bP\r\n", 20.0)).value is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_reports_its_model(family: str) -> None:
    balance = XbpiBalance()
    balance.set("family", family)
    assert items(balance, 0x02)[0].startswith("54 ")
    assert items(balance, 0xBA)[0].startswith("01 04" if family == "oem_weigh_cell" else "21 ")


@pytest.mark.parametrize(("name", "value"), [("load", "much"), ("unit", "stone"), ("colour", "red"), ("family", "x")])
def test_an_unknown_setting_or_value_is_a_clear_error(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        SbiBalance().set(name, value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize("name", ["load", "drift", "settle", "autoprint"])
def test_a_number_that_is_not_finite_is_refused_before_it_is_used(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"invalid value '{value}' for {name}"):
        SbiBalance().set(name, value)


@pytest.mark.parametrize("protocol", ["xbpi", "sbi"])
async def test_the_simulator_knows_what_was_true_and_changes_at_given_times(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench = new_bench(protocol=protocol)
    simulator = bench.simulator
    simulator.scale.drift = -0.5
    simulator.set_at(3.0, "unit", "mg")
    simulator.set_at(5.0, "decimals", "1")
    simulator.set_at(5.0, "unit", "g")
    simulator.set_at(7.0, "serial", "4711")
    balance = bench.balance
    await balance.open()
    units = set()
    for _ in range(9):
        (sample,) = await balance.poll()
        sent = sample.stamp.monotonic_ns / 1e9 - sample.stamp.latency_s / 2
        truth = simulator.truth("net", sent)
        assert (sample.value, sample.unit) == (float(truth.value), truth.unit)
        units.add((truth.unit, truth.decimals))
        await anyio.sleep(1.0)
    assert units == {("g", 3), ("mg", 0), ("g", 1)}
    assert await balance.identity() == "0000004711"


def test_the_truth_has_every_parameter_of_a_balance() -> None:
    balance = XbpiBalance()
    balance.scale.tare(0.0)
    balance.set("load", "400")
    now = 60.0
    balance.truth("net", now)
    shown = {name: balance.truth(name, now + 60).value for name in ("net", "gross", "tare", "temperature")}
    assert {name: float(value) for name, value in shown.items() if value is not None} == {
        "net": pytest.approx(400 - 326.185),
        "gross": 400.0,
        "tare": 326.185,
        "temperature": 22.5,
    }


async def test_an_untared_balance_may_label_its_lines_gross(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="sbi", parameters=["net", "gross"])
    bench.simulator.scale.drift = 0.0
    bench.simulator.set("labels", "gross_until_tared")
    bench.simulator.set("trim", "on")
    await bench.balance.open()
    net, gross = await bench.balance.poll()
    assert (net.value, gross.value) == (None, 326.185)
    await bench.balance.tare(confirm=True)
    net, gross = await bench.balance.poll()
    assert (net.value, gross.value) == (0.0, None)


@pytest.mark.parametrize("protocol", ["sbi", "xbpi"])
def test_zero_is_set_within_the_zero_range_only_over_both_protocols(protocol: str) -> None:
    for load, is_set in ((20.0, True), (30.0, False)):
        balance = XbpiBalance() if protocol == "xbpi" else SbiBalance()
        balance.set("load", str(load))
        balance.receive(request_frame(0x18) if protocol == "xbpi" else b"\x1bV\r\n", 0.0)
        assert (balance.truth("net", 5.0).value == 0) == is_set
        assert (balance.truth("net", 1.0).value is None) == is_set, "no value for two seconds"


def test_the_zero_range_is_that_of_parameter_11() -> None:
    balance = XbpiBalance()
    balance.set("load", "20")
    balance.receive(request_frame(0x56, u8(11, 1)), 0.0)
    assert balance.receive(request_frame(0x18), 1.0)[2:4] == b"\x01\x06", "1 % of 1200 g"


@pytest.mark.parametrize("balance", [XbpiBalance(), SbiBalance()])
def test_a_load_that_is_set_before_the_first_reading_has_been_on_the_scale_for_long(balance: Any) -> None:
    balance.set("load", "100")
    shown = balance.truth("net", 0.0)
    assert (shown.value, shown.stable) == (100, True)


def test_a_simulated_balance_that_was_told_another_baud_rate_understands_no_other_one() -> None:
    balance = XbpiBalance()
    balance.note_port(9600)
    assert balance.receive(request_frame(0x02), 0.0), "at first any is understood"
    assert balance.receive(request_frame(0x5C, u8(1)), 1.0)
    assert not balance.receive(request_frame(0x02), 2.0)
    balance.note_port(19200)
    assert balance.receive(request_frame(0x02), 3.0)
    balance.switch_off_and_on()
    balance.note_port(9600)
    assert not balance.receive(request_frame(0x02), 4.0), "parameter 31 has not been saved as 9600"
