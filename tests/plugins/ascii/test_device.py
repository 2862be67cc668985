"""Instruments with ASCII protocols of files: units of replies, states, errors, writes, streams, mistakes of files."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from riglog import Manager
from riglog.device import Pace
from riglog.errors import ConfigError, ConfirmationError, DeviceError, DeviceRefusedError, WriteRefusedError
from riglog.instrument import problems_of
from riglog.model import Status
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.testing import LoopClock, scripted, step
from riglog_ascii.description import AsciiFormat

HEAD = 'format = 1\ndriver = "ascii"\ntitle = "Meter"\n'
BALANCE = "mettler-mt-sics"
Write = Callable[..., Path]


async def test_the_unit_comes_from_the_reply_and_a_new_one_counts_when_two_replies_state_it(
    simulator_of: Any, instrument_on: Any
) -> None:
    simulator = simulator_of(BALANCE)
    balance = instrument_on(simulator, BALANCE)
    await balance.open()
    (sample,) = await balance.poll()
    assert (sample.unit, sample.status, sample.flags) == ("g", Status.OK, ("stable",))
    simulator.set("unit", "kg")
    simulator.set("stability", "dynamic")
    (sample,) = await balance.poll()  # read twice in this poll
    assert (sample.unit, sample.status, sample.flags) == ("kg", Status.OK, ("dynamic",))
    simulator.set("unit", "pcs")  # a text that the file does not have is the unit that the balance states
    (sample,) = await balance.poll()
    assert (sample.unit, sample.status) == ("pcs", Status.OK)


async def test_a_unit_that_one_damaged_reply_states_is_no_row(instrument_on: Any) -> None:
    read = b"SI\r\n"
    balance = instrument_on(
        scripted(
            step(read, b"S S 10.0000 g\r\n"),
            step(read, b"S S 10.0001 g\r\n"),
            step(read, b"S S 10.0002 kg\r\n"),
            step(read, b"S S 10.0003 g\r\n"),
        ),
        BALANCE,
    )
    await balance.open()
    assert [(s.value, s.unit) for s in await balance.poll()] == [(10.0001, "g")]
    assert [(s.value, s.unit) for s in await balance.poll()] == [(10.0003, "g")]


@pytest.mark.parametrize(
    ("line", "status"),
    [("S +", Status.OUT_OF_RANGE), ("S -", Status.OUT_OF_RANGE), ("S I", Status.MISSING), ("ES", Status.MISSING)],
)
async def test_what_is_sent_instead_of_a_value_is_a_row_without_one(
    line: str, status: Status, simulator_of: Any, instrument_on: Any
) -> None:
    simulator = simulator_of(BALANCE)
    balance = instrument_on(simulator, BALANCE)
    await balance.open()
    simulator.set("weight.instead", line)
    (sample,) = await balance.poll()
    assert (sample.value, sample.status) == (None, status)
    assert sample.error
    assert sample.responded
    simulator.set("weight.instead", "")
    assert (await balance.poll())[0].value is not None


@pytest.mark.parametrize(
    "line", ["S S 1O.5 g", "S S 10.5", "S X S 10.5 g", "S S 10.5 g g", "S S 1,5 g", "S S 10.5\xb0 g", ""]
)
async def test_a_line_that_is_no_reply_is_no_value(line: str, simulator_of: Any, instrument_on: Any) -> None:
    simulator = simulator_of(BALANCE)
    balance = instrument_on(simulator, BALANCE)
    await balance.open()
    simulator.set("weight.instead", line or " ")
    (sample,) = await balance.poll()
    assert (sample.value, sample.status) == (None, Status.MISSING)


async def test_a_state_of_another_request_decides_whether_there_is_a_value(
    simulator_of: Any, instrument_on: Any
) -> None:
    simulator = simulator_of("lakeshore-331")
    meter = instrument_on(simulator, "lakeshore-331", parameters=("temperature_a",))
    await meter.open()
    assert (await meter.poll())[0].status is Status.OK
    simulator.set("status_a", "overrange")
    (sample,) = await meter.poll()
    assert (sample.value, sample.status, sample.flags) == (None, Status.OUT_OF_RANGE, ("overrange",))
    assert await meter.identity() == "SIM6-0"


async def test_a_set_point_is_written_once_with_confirmation_and_read_back(
    simulator_of: Any, instrument_on: Any
) -> None:
    simulator = simulator_of("lakeshore-331")
    sent: list[bytes] = []
    inner = simulator.receive

    def receive(data: bytes, now: float) -> bytes:
        sent.append(data)
        return inner(data, now)

    simulator.receive = receive
    meter = instrument_on(simulator, "lakeshore-331")
    await meter.open()
    with pytest.raises(ConfirmationError):
        await meter.set_parameter("setpoint", "77")
    with pytest.raises(WriteRefusedError):
        await meter.set_parameter("setpoint", "1501", confirm=True)
    with pytest.raises(WriteRefusedError):
        await meter.set_parameter("heater_output", "5", confirm=True)
    assert not any(data.startswith(b"SETP 1,") for data in sent)
    sample = await meter.set_parameter("setpoint", "77.35", confirm=True)
    assert sample.value == 77.35
    assert [data for data in sent if data.startswith(b"SETP 1,")] == [b"SETP 1,77.350\r\n"]


async def test_a_write_that_is_refused_or_not_executed_is_an_error(write: Write, instrument_on: Any) -> None:
    path = write(
        HEAD
        + '[errors]\n"ERR {_:int}" = "refused"\n[read.x]\nrequest = "X?"\nreplies = ["{x:number}"]\n[read.x.channel]\n'
        + 'x = { decimals = 1, writable = { tier = "persistent", request = "X {value}", replies = ["OK"] } }\n'
    )
    for reply, after, error in ((b"ERR 5\r\n", b"1.0\r\n", DeviceRefusedError), (b"OK\r\n", b"1.0\r\n", DeviceError)):
        script = [
            step(b"X?\r\n", b"1.0\r\n"),
            step(b"X?\r\n", b"1.0\r\n"),
            step(b"X 5.0\r\n", reply),
            step(b"X?\r\n", after),
        ]
        meter = instrument_on(scripted(*script), path)
        await meter.open()
        with pytest.raises(error):
            await meter.set_parameter("x", "5", confirm=True)


async def test_instruments_with_addresses_share_a_line(simulator_of: Any) -> None:
    name = "julabo-magnum-rs485"
    bus = SimulatedBus(simulator_of(name, address=address) for address in (1, 32))
    for address, simulator in zip((1, 32), bus.simulators, strict=True):
        simulator.set("setpoint", str(address))  # type: ignore[attr-defined]
    async with Manager(clock=LoopClock()) as rig:
        transport = SimulatedTransport(FaultyWire(bus))
        for address in (1, 32):
            await rig.add(f"bath{address}", transport, driver="ascii", instrument=name, address=address)
        samples = await rig.poll()
    assert {s.device: s.value for s in samples if s.parameter == "setpoint"} == {"bath1": 1.0, "bath32": 32.0}


STREAM = HEAD + (
    '[line]\nterminator = "\\r\\n"\nperiod = 2.0\n[read.flow]\nreplies = ["F {flow:number} {unit:word}"]\n'
    'instead = { "F OVER" = "out_of_range" }\n[read.flow.channel]\n'
    'flow = { unit_from = "unit", decimals = 2 }\n'
    'unit = { units = { ln = "l/min" }, simulate = "ln", record = false }\n'
)


async def test_an_instrument_that_sends_by_itself_gives_each_line_once(
    write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    path = write(STREAM)
    simulator = simulator_of(path)
    meter = instrument_on(simulator, path)
    assert meter.pace is Pace.DEVICE
    await meter.open()
    samples = [sample for _ in range(5) for sample in await meter.poll()]
    assert len({sample.value for sample in samples}) == 5
    assert [sample.unit for sample in samples] == ["l/min"] * 5
    assert all(
        later.stamp.monotonic_ns - sooner.stamp.monotonic_ns == pytest.approx(2e9, abs=1e6)
        for sooner, later in pairwise(samples)
    )
    simulator.set("flow.instead", "F OVER")
    (sample,) = await meter.poll()
    assert (sample.value, sample.status) == (None, Status.OUT_OF_RANGE)
    simulator.set("flow.instead", "garbage")
    (sample,) = await meter.poll()
    assert (sample.value, sample.status) == (None, Status.MISSING)
    assert "no line of the instrument file for 5 s" in str(sample.error)


async def test_lines_that_waited_are_not_values_of_now(write: Write, simulator_of: Any, instrument_on: Any) -> None:
    path = write(STREAM)
    meter = instrument_on(simulator_of(path), path)
    await meter.open()
    await anyio.sleep(21)
    (sample,) = await meter.poll()
    assert sample.stamp.monotonic_ns / 1e9 > anyio.current_time() - 0.1
    assert meter.client.clock.monotonic_ns() - sample.stamp.monotonic_ns < 1e8


def test_all_mistakes_of_a_file_are_reported(write: Write) -> None:
    path = write(
        HEAD
        + """[line]
terminator = ""
[errors]
"E {" = "wrong"
[read.a]
request = "A {x:int}"
replies = ["{a:numbr}", "{b:number} {c:number}"]
instead = { "--" = "sometimes" }
[read.a.channel]
b = { unit_from = "u" }
"""
    )
    with pytest.raises(ExceptionGroup) as raised:
        AsciiFormat().load(str(path))
    found = [str(problem) for problem in problems_of(raised.value)]
    for line, words in ((5, "terminator"), (11, "sometimes"), (13, "'u' unknown")):
        assert any(f"line {line}: " in one and words in one for one in found), (words, found)
    path.write_text(
        path.read_text()
        .replace('terminator = ""', 'terminator = "\\r"')
        .replace("sometimes", "fault")
        .replace('unit_from = "u"', "")
    )
    with pytest.raises(ExceptionGroup) as raised:
        AsciiFormat().load(str(path))
    found = [str(problem) for problem in problems_of(raised.value)]
    for line, words in (
        (7, "brace"),
        (9, "not possible in the request"),
        (10, "not NAME:KIND"),
        (10, "'c' is not a quantity"),
    ):
        assert any(f"line {line}: " in one and words in one for one in found), (words, found)


GOOD = """format = 1
driver = "ascii"
title = "Meter"
[line]
terminator = "\\r\\n"
checksum = "sum8"
checksum_mark = "*"
[read.a]
request = "A?"
replies = ["A {a:number}"]
[read.a.channel]
a = {}
[read.b]
request = "B?"
replies = ["B {b:number}"]
[read.b.channel]
b = {}
"""


@pytest.mark.parametrize(
    ("line", "wrong", "words"),
    [
        ("A?", "A€", "line 9: read.a.request: character '€' cannot be sent"),
        ("A {a:number}", "€ {a:number}", "line 10: read.a.replies[0]: character '€' cannot be sent"),
        ('mark = "*"', 'mark = "€"', "line 7: line.checksum_mark: text '€' cannot be sent"),
        ("\\r\\n", "€", "line 5: line.terminator: text '€' cannot be sent"),
        ("\\r\\n", "1", "line 5: line.terminator: terminator '1' can be part of a line"),
        ("A?", "A?\\r\\nTARE", "line 9: read.a.request: end of a line in 'A?\\r\\nTARE'"),
        ("{a:number}", "{a:number}\\r\\n", "line 10: read.a.replies[0]: end of a line"),
        ("A?", "A={value}", "line 9: read.a.request: {value} in a request that reads"),
        ("B?", "A?", "line 14: read.b.request: the same request as that of another read"),
        ("{a:number}", "{a:float}", "line 10: read.a.replies[0]: field 'a:float' is not NAME:KIND"),
        ("{a:number}", "{number}", "line 10: read.a.replies[0]: field 'number' is not NAME:KIND"),
        ("{a:number}", "{a:number", "line 10: read.a.replies[0]: brace without its other one"),
        (
            '["A {a:number}"]',
            '"A {a:number}"',
            "line 10: read.a.replies: invalid value",
        ),
        ('replies = ["A {a:number}"]', "", "line 8: read.a: no replies"),
        ("A {a:number}", "A" * 201 + " {a:number}", "expected a string of at most 200 characters"),
    ],
)
def test_a_mistake_is_reported_once_and_by_its_cause(tmp_path: Path, line: str, wrong: str, words: str) -> None:
    """Not by what follows from it: a reply that cannot be read has no fields, which is no second mistake."""
    path = tmp_path / "meter.toml"
    path.write_text(GOOD, encoding="utf-8")
    AsciiFormat().load(str(path))
    path.write_text(GOOD.replace(line, wrong, 1), encoding="utf-8")
    with pytest.raises(ExceptionGroup) as raised:
        AsciiFormat().load(str(path))
    (found,) = problems_of(raised.value)
    assert words in str(found)


def test_the_terminator_of_the_file_is_in_no_request_and_in_no_line_of_a_reply(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    path.write_text(GOOD.replace("\\r\\n", ";").replace("A?", "A;TARE").replace("B {", "B;{"))
    with pytest.raises(ExceptionGroup) as raised:
        AsciiFormat().load(str(path))
    request, reply = (str(problem) for problem in problems_of(raised.value))
    assert "line 9: read.a.request: contains the terminator ';'" in request
    assert "line 15: read.b.replies[0]: contains the terminator ';'" in reply


def test_an_address_is_needed_where_requests_have_one_and_refused_elsewhere(simulator_of: Any) -> None:
    with pytest.raises(ConfigError, match="address: missing"):
        simulator_of("julabo-magnum-rs485")
    with pytest.raises(ConfigError, match="expected a whole number from 0 to 999"):
        simulator_of("julabo-magnum-rs485", address=1000)
    with pytest.raises(ConfigError, match="have no address"):
        simulator_of(BALANCE, address=1)
