"""The rules by which a value is proven: settings by continuity and checks, input errors by checks on both sides."""

import math
from itertools import product

import pytest

from riglog.device.proof_input import InputHealth, InputState
from riglog.device.proof_reach import LastProven, Reach
from riglog.device.proof_settings import Claim, KnownSettings, Verdict, after_check, before_check
from riglog.model import PendingProof

REACH = Reach(jump=2.0, rate=10.0, horizon=10.0)


def proven(value: float | str | int = 150.0, at: float = 0.0) -> LastProven:
    last = LastProven(REACH)
    last.prove(value, at)
    return last


@pytest.mark.parametrize(
    ("value", "at", "reached"),
    [
        (152.0, 0.0, True),
        (152.1, 0.0, False),
        (157.0, 0.5, True),
        (142.9, 0.5, False),
        (252.0, 3600.0, True),
        (252.1, 3600.0, False),
        (None, 0.1, False),
        (math.nan, 0.1, False),
    ],
)
def test_a_value_reaches_as_far_as_the_quantity_can_move(value: float | None, at: float, reached: bool) -> None:
    assert proven().reaches(value, at) is reached


def test_a_code_or_a_text_can_only_stay_as_it_is() -> None:
    assert proven(10).reaches(10, 1.0)
    assert not proven(10).reaches(11, 1.0)
    assert not proven("a").reaches("b", 1.0)


def test_from_nothing_nothing_is_reached_except_what_confirms_the_value_just_read() -> None:
    last = LastProven(REACH)
    assert not last.reaches(150.0, 0.0)
    last.is_to_confirm(150.0, 0.0)
    assert last.is_confirmed(151.0, 0.1)
    assert not last.is_confirmed(None, 0.1)
    assert not last.reaches(151.0, 0.1)
    last.prove(None, 0.1)  # nothing was proven, and nothing is to be confirmed any more
    assert not last.is_confirmed(151.0, 0.2)


def claim(assumed: float | None, *others: float | None, at: float = 0.5) -> Claim:
    return Claim(assumed, others, at)


@pytest.mark.parametrize(
    ("given", "age", "verdict"),
    [
        (claim(150.5, 65.8, None), 0.5, Verdict.PROVEN),
        (claim(150.5, 65.8), 1.1, Verdict.CHECK),  # the check is too old
        (claim(65.5, 150.0), 0.5, Verdict.CHECK),  # the other settings continue the last value
        (claim(150.5, 148.0), 0.5, Verdict.CHECK),  # both do
        (claim(400.0, 204.4), 0.5, Verdict.CHECK),  # neither does
        (claim(None, 150.0), 0.5, Verdict.CHECK),  # impossible
        (claim(150.0, 150.0), 0.5, Verdict.PROVEN),  # the same under all settings
    ],
)
def test_a_value_is_proven_at_once_only_if_one_interpretation_continues_the_last(
    given: Claim, age: float, verdict: Verdict
) -> None:
    assert before_check(given, proven(), age) is verdict


@pytest.mark.parametrize(
    ("given", "age", "changed", "verdict"),
    [
        (claim(150.0), 0.5, True, Verdict.AGAIN),
        (claim(400.0), 0.5, False, Verdict.PROVEN),  # a jump between two equal checks within a second
        (claim(400.0), 5.0, False, Verdict.AGAIN),  # somebody could have changed it twice
        (claim(150.0), 5.0, False, Verdict.PROVEN),
        (claim(None), 5.0, False, Verdict.PROVEN),  # that it is no value needs no proof
    ],
)
def test_a_check_after_the_value_decides(given: Claim, age: float, changed: bool, verdict: Verdict) -> None:
    assert after_check(given, proven(), age, changed) is verdict


def test_no_unit_that_is_changed_at_any_time_gives_a_value_in_the_wrong_unit() -> None:
    """Every temperature and time of the change, with checks each second: the rule alone, without an instrument."""
    for degf, changed_at in product([-40.0, -38.0, 0.0, 32.0, 72.0, 212.0], range(20)):
        last, settings = LastProven(REACH), KnownSettings[str, str]()
        settings.note("unit", "F", 0.0)
        for step in range(20):
            at = step / 8
            unit = "C" if step >= changed_at else "F"
            sent = degf if unit == "F" else (degf - 32) / 1.8
            assumed = settings.get("unit")
            in_degf = {"F": sent, "C": sent * 1.8 + 32}
            given = Claim(in_degf[assumed or "F"], (in_degf["F" if assumed == "C" else "C"],), at)
            age = settings.age(["unit"], at)
            verdict = before_check(given, last, age)
            if verdict is Verdict.CHECK:
                verdict = after_check(given, last, age, settings.note("unit", unit, at))
            if verdict is Verdict.PROVEN:
                assert given.assumed == pytest.approx(degf, abs=REACH.jump + REACH.rate / 8)
                last.prove(given.assumed, at)


def test_settings_are_as_old_as_the_oldest_of_their_checks() -> None:
    settings = KnownSettings[str, int | None]()
    assert settings.age(["unit"], 5.0) == math.inf
    assert settings.age([], 5.0) == 0.0
    assert settings.note("unit", 30, 1.0)
    assert settings.note("decimals", None, 3.0)
    assert settings.age(["unit", "decimals"], 5.0) == 4.0
    assert not settings.note("unit", 30, 4.0)
    assert settings.note("unit", 15, 4.5)
    assert ("decimals" in settings, settings.get("decimals"), settings.get("order")) == (True, None, None)
    settings.forget()
    assert "unit" not in settings


def test_an_input_is_checked_first_until_it_is_known_to_be_healthy() -> None:
    health = InputHealth()
    assert health.is_to_be_checked_first
    health.note(True, 1.0)
    assert (health.state, health.is_to_be_checked_first) == (InputState.FAULTY, True)
    health.note(False, 2.0)
    assert (health.state, health.is_to_be_checked_first) == (InputState.HEALTHY, False)
    health.forget()
    assert health.is_to_be_checked_first


@pytest.mark.parametrize(
    ("before", "checked_at", "reached", "is_proven"),
    [
        (None, 0.0, True, False),  # nothing is known about the input
        (True, 0.05, True, False),  # it had an error before
        (False, 0.05, False, True),  # too short for an error to come and go
        (False, 0.5, False, False),  # long enough, and the value jumped
        (False, 0.5, True, True),
    ],
)
def test_a_value_is_proven_by_the_checks_on_both_sides(
    before: bool | None, checked_at: float, reached: bool, is_proven: bool
) -> None:
    health = InputHealth(max_time=0.1)
    if before is not None:
        health.note(before, 0.0)
    assert health.proves(checked_at, reached=reached) is is_proven


def test_an_error_that_lasts_as_long_as_a_conversion_never_proves_a_wrong_value() -> None:
    """Error states of at least 0.1 s, checks and values every 10 ms in any phase: rule E by itself."""
    for start, length, period in product(range(0, 60, 3), range(10, 40, 4), (1, 2, 5, 9)):
        health, last = InputHealth(max_time=0.1), LastProven(REACH)
        for step in range(0, 120, period):

            def is_faulty(tick: int, start: int = start, length: int = length) -> bool:
                return start <= tick < start + length

            value = 2530.4 if is_faulty(step) else 72.0
            checked = is_faulty(step + 1)
            if not checked and health.proves((step + 1) / 100, reached=last.reaches(value, step / 100)):
                assert value == 72.0
                last.prove(value, step / 100)
            health.note(checked, (step + 1) / 100)


def held(period: float = 0.011, values: int = 3, max_time: float = 0.1) -> tuple[InputHealth, float]:
    """Return an input with values that are held for one check, and when the last was read."""
    health = InputHealth(max_time=max_time)
    health.note(False, 0.0)
    health.note_value(period)
    assert health.hold() is None  # it is not known yet how long a check takes
    health.note(False, at := 2 * period)
    for _ in range(values):
        at += period
        health.note_value(at)
        assert health.hold() is not None
    return health, at


def test_a_value_is_held_only_if_the_check_of_the_next_poll_comes_in_time() -> None:
    health, at = held(values=7)
    assert health.hold() is health.pending
    health.note_value(at + 0.011)
    assert health.hold() is None  # with the ninth the check would come 0.11 s after the last one
    assert held(period=0.03, values=1)[0].pending is not None
    slow = InputHealth(max_time=0.1)
    slow.note(False, 0.0)
    for at in (0.06, 0.16, 0.26):
        slow.note_value(at)
        assert slow.hold() is None
        slow.note(False, at + 0.01)


def test_no_value_is_held_for_more_than_a_second() -> None:
    health, _ = held(period=0.2, values=2, max_time=60.0)
    health.note_value(1.01)
    assert health.hold() is None


@pytest.mark.parametrize(
    ("error", "after", "outcome"),
    [
        (None, 0.011, "proven"),
        (None, 0.056, "proven"),
        (None, 0.0779, "proven"),  # 0.1 s after the check before, and the time of one exchange
        (None, 0.08, "unchecked"),
        ("open", 0.011, "before_open"),
    ],
)
def test_the_next_check_decides_about_the_values_that_are_held(error: str | None, after: float, outcome: str) -> None:
    health, at = held()
    pending = health.pending
    assert pending is not None
    assert pending.is_open
    at += after
    health.note_value(at - 0.011)
    assert health.settle(error, at) is (outcome == "proven")
    assert not pending.is_open
    assert ("proven" if pending.is_proven else pending.flag) == outcome
    assert health.pending is None


def test_what_is_held_is_not_proven_after_an_interruption() -> None:
    health, _ = held()
    pending = health.pending
    assert pending is not None
    health.forget()
    assert (pending.is_open, pending.is_proven, health.pending) == (False, False, None)
    pending.prove()  # too late
    assert not pending.is_proven


class SteadyPolling:
    """Polls an input with an error of some length; every 7th value takes longer. Times in milliseconds."""

    def __init__(self, exchange: int, start: int, length: int) -> None:
        self.exchange, self.start, self.length = exchange, start, length
        self.now = self.count = 0
        self.health, self.last = InputHealth(max_time=0.1), LastProven(REACH)
        self.held: list[tuple[PendingProof, float]] = []

    def run(self) -> None:
        while self.now < 600:
            if self.health.is_to_be_checked_first:
                self.check()
            self.poll()

    def poll(self) -> None:
        self.count += 1
        self.now += self.exchange + (self.exchange // 2 if self.count % 7 == 0 else 0)
        value, at = 2530.4 if self.faulty else 72.0, self.now / 1000
        self.health.note_value(at)
        pending = self.health.hold() if self.last.reaches(value, at) else None
        if pending is None:
            self.check()
            if self.health.state is InputState.HEALTHY:
                self.last.prove(72.0, at)  # a value that jumped is read again between two checks
        else:
            self.held.append((pending, value))
            self.last.prove(value, at)

    def check(self) -> None:
        self.now += self.exchange
        if not self.health.settle("open" if self.faulty else None, self.now / 1000):
            self.last.forget()
        self.health.note(self.faulty, self.now / 1000)

    @property
    def faulty(self) -> bool:
        return self.start <= self.now < self.start + self.length


@pytest.mark.parametrize("exchange", [3, 11, 17, 24])
def test_an_error_of_one_conversion_is_in_no_value_that_was_held_and_proven(exchange: int) -> None:
    for start, length in product(range(0, 260, 4), (100, 101, 108, 130, 210)):
        polling = SteadyPolling(exchange, start, length)
        polling.run()
        assert all(value == 72.0 for pending, value in polling.held if pending.is_proven)
        assert any(pending.is_proven for pending, _ in polling.held)
