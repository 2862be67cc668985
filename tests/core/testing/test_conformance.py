"""The kit accepts a driver that does everything right, and each check refuses the driver that is broken there."""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from broken_drivers import BROKEN, Broken, MeterKit, driver_of
from meter import Ask, MeterCodec

from riglog.simulation import Fault
from riglog.testing import DriverConformance
from riglog.testing.conformance.faults import likely_cause

FAILURES = (Exception, BaseExceptionGroup, pytest.fail.Exception)
IN_A_DISTRIBUTION = {
    "test_an_installed_plugin_brings_the_driver_without_a_warning",
    "test_importing_the_plugin_imports_nothing_heavy",
    "test_the_distribution_says_what_it_is",
    "test_the_package_is_typed",
    "test_mypy_finds_nothing",
    "test_the_readme_explains_the_driver",
    "test_the_readme_names_the_faults_that_cannot_be_detected",
    "test_transcripts_of_real_instruments_give_the_same_values",
}
"""Broken in a distribution or a transcript: see test_conformance_of_distributions.py and test_transcripts.py."""


class TestMeter(MeterKit):
    """Every check passes."""


def checks() -> list[str]:
    return [name for name in dir(DriverConformance) if name.startswith("test_")]


def arguments(kit: type[DriverConformance], check: str) -> Iterator[dict[str, Any]]:
    """The arguments with which pytest calls a check."""
    made: list[dict[str, Any]] = [{}]
    for mark in getattr(getattr(kit, check), "pytestmark", ()):
        if mark.name == "parametrize":
            name, values = mark.args
            plain = [value.values[0] if hasattr(value, "values") else value for value in values]
            made = [{**one, name: value} for one in made for value in plain]
    yield from made


async def failure(kit: type[DriverConformance], check: str, values: dict[str, Any]) -> BaseException | None:
    """Return why a check fails, None if it passes or is skipped."""
    try:
        result = getattr(kit(), check)(**values)
        if inspect.isawaitable(result):
            await result
    except pytest.skip.Exception:
        return None
    except FAILURES as error:
        return error
    return None


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.check)
async def test_a_check_fails_on_the_driver_that_is_broken_there(broken: Broken) -> None:
    wanted = [
        values
        for values in arguments(broken.kit, broken.check)
        if broken.argument is None or broken.argument in values.values()
    ]
    assert any([await failure(broken.kit, broken.check, values) is not None for values in wanted[:1]])


def test_every_check_has_a_broken_driver() -> None:
    assert {broken.check for broken in BROKEN} | IN_A_DISTRIBUTION == {*checks()}


@pytest.mark.parametrize("check", checks())
def test_every_check_gives_its_rule_and_the_reason(check: str) -> None:
    assert len(inspect.getdoc(getattr(DriverConformance, check)) or "") > 40


class OneForm(MeterCodec):
    """Nothing in a reply says which request it is for, the codec does not say so, and it waits for 0.1 s only."""

    hold_off = 0.1

    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        found = re.search(rb"(-?\d+\.\d+|SN\d+)\*..\r", bytes(buffer))
        if found is None:
            return None
        del buffer[: found.end()]
        return found[1].decode()

    def resync_request(self, request: Ask, outstanding: Sequence[Ask]) -> Ask | None:
        return None


class OneFormKit(MeterKit):
    driver = driver_of(OneForm)()


async def test_a_wrong_value_with_a_short_hold_off_says_what_the_likely_cause_is() -> None:
    check = "test_a_fault_gives_no_wrong_value_in_a_long_run"
    wrong = await failure(OneFormKit, check, {"fault": Fault.LATE, "seed": 2})
    assert "hold_off of the codec is 0.1 s, shorter than the timeout" in str(wrong)


async def test_the_hold_off_is_not_named_where_it_is_as_long_as_the_timeout() -> None:
    async with MeterKit().bench() as bench:
        assert likely_cause(bench) == ""


EXPENSIVE = ("long_run", "held_up", "in_faults", "floods")


@pytest.mark.slow
@pytest.mark.parametrize("broken", [one for one in BROKEN if "*" not in one.also], ids=lambda broken: broken.check)
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_no_other_check_fails_on_it(broken: Broken) -> None:
    failed = {broken.check}
    for check in checks():
        if not any(word in check for word in EXPENSIVE):
            for values in list(arguments(broken.kit, check))[:2]:
                if await failure(broken.kit, check, values) is not None:
                    failed.add(check)
    assert failed == {broken.check, *(f"test_{name}" for name in broken.also)}
