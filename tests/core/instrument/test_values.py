"""What numbers mean: scale without rounding errors, special numbers, labels, flags, units, and back for writing."""

from typing import Any

import pytest

from riglog.errors import WriteRefusedError
from riglog.instrument import Meaning, Quantity, Reading
from riglog.instrument.values import State, Stated
from riglog.model import Stamp, Status

STAMP = Stamp(0, None, 0)


def meaning(kind: Any = "int", **keys: Any) -> Meaning:
    return Meaning("x", Quantity(**keys), kind)


def test_a_scaled_number_is_the_nearest_float() -> None:
    assert [meaning(scale=0.1).scaled(raw) for raw in (3, 7, 2153, -1)] == [0.3, 0.7, 215.3, -0.1]
    assert meaning(scale=0.001).scaled(68200) == 68.2
    assert meaning(scale=0.1, offset=-40.0).scaled(615) == 21.5
    assert meaning().scaled(1234, 2) == 12.34
    assert meaning(scale=10.0).scaled(7, 3) == 0.07
    assert meaning().scaled(7) == 7


def test_a_whole_number_that_no_float_has_exactly_is_no_value() -> None:
    assert meaning().interpret(Reading(2**53 + 1, STAMP), Stated()).status is Status.OUT_OF_RANGE
    assert meaning().interpret(Reading(2**53, STAMP), Stated()).value == 2**53


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), -float("inf"), 1e-40])
def test_what_cannot_have_been_measured_is_no_value(raw: float) -> None:
    for one in (meaning("float"), meaning("float", scale=2.0)):
        found = one.interpret(Reading(raw, STAMP), Stated("V"))
        assert (found.value, found.status) == (None, Status.OUT_OF_RANGE)


@pytest.mark.parametrize(
    ("what", "status"),
    [("out_of_range", "out_of_range"), ("fault", "fault"), ("missing", "missing"), ("off", "ok")],
)
def test_a_special_number_is_never_a_value(what: str, status: str) -> None:
    found = meaning(special={"0x7FFF": what}).interpret(Reading(32767, STAMP), Stated("V"))
    assert (found.value, found.status.value) == (None, status)
    assert found.error


def test_a_number_outside_its_limits_is_no_value() -> None:
    one = meaning(scale=0.1, limits=(0.0, 100.0))
    assert one.interpret(Reading(1001, STAMP), Stated()).status is Status.OUT_OF_RANGE
    assert one.interpret(Reading(1000, STAMP), Stated()).value == 100.0


def test_a_code_has_its_label_as_text_and_an_unknown_code_none() -> None:
    one = meaning(labels={"0": "off", "1": "on"})
    assert one.interpret(Reading(1, STAMP), Stated())[::5] == (1, "on")
    assert one.interpret(Reading(5, STAMP), Stated()).text is None


def test_flags_and_their_effects() -> None:
    one = meaning(flags={"0": "alarm", "3": "sensor broken"}, effect={"sensor": "no_value", "broken": "suspect"})
    state = one.state(0b1001)
    assert state.flags == ("alarm", "sensor", "broken")
    assert (state.status, state.keeps_value) == (Status.FAULT, False)
    assert one.state(1) == State(Status.OK, ("alarm",))
    found = meaning("float").interpret(Reading(5.0, STAMP), Stated("V", state=state))
    assert (found.value, found.status, found.flags) == (None, Status.FAULT, state.flags)


def test_two_states_together_are_the_worse_one() -> None:
    fault, suspect = State(Status.FAULT, ("a",)), State(Status.SUSPECT, ("b",))
    assert suspect.joined(fault) == State(Status.FAULT, ("b", "a"))


def test_a_unit_that_the_file_does_not_have_is_unknown() -> None:
    one = meaning(labels={"0": "C", "1": "F"}, units={"C": "degC"})
    assert one.unit(0) == ("degC", True)
    assert one.unit(1) == (None, False)
    assert one.unit(9) == (None, False)
    found = meaning("float").interpret(Reading(5.0, STAMP), Stated(None, unit_valid=False))
    assert (found.value, found.unit, found.status, found.flags) == (5.0, None, Status.SUSPECT, ("unit_unknown",))


def test_what_is_written_is_what_would_be_read() -> None:
    one = meaning(scale=0.1, offset=-40.0)
    assert one.to_send("21.5") == 615
    assert meaning(labels={"0": "off", "1": "on"}).to_send("ON") == 1
    assert meaning(labels={"0": "off", "1": "on"}).to_send("1") == 1
    assert meaning().to_send("12.3", 1) == 123


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e400", "--1", "1_0x", "21.55"])
def test_what_cannot_be_written_exactly_is_refused(text: str) -> None:
    with pytest.raises(WriteRefusedError):
        meaning(scale=0.1).to_send(text)
    with pytest.raises(WriteRefusedError):
        meaning(labels={"0": "off"}).to_send(text)
