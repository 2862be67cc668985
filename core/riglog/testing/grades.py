"""Grades of drivers, computed from results of the kit, the distribution and transcripts. Nothing is claimed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.plugin import AnyDriver
from riglog.testing.results import FAILED, PASSED, KitResults, fingerprint
from riglog.testing.transcript import Dialogue, load_dialogue

GRADES = ("none", "bronze", "silver", "gold", "platinum")
DIRECT = "direct"
DOCUMENTED = (
    "test_the_driver_is_valid",
    "test_an_installed_plugin_brings_the_driver_without_a_warning",
    "test_the_distribution_says_what_it_is",
    "test_the_readme_explains_the_driver",
)
"""Checks that every driver must pass for the first grade."""
TRUE = ("test_values_are_those_of_the_instrument", "test_a_fault_gives_no_wrong_value")
"""Checks that are skipped without a simulator that knows the truth."""
TYPED = ("test_the_package_is_typed", "test_mypy_finds_nothing")
REPLAYED = "test_transcripts_of_real_instruments_give_the_same_values"

Outcomes = Mapping[str, Mapping[str, str]]
"""By protocol and check."""


class Grade(Struct, frozen=True):
    """``missing`` is the first criterion of the next grade that is not met; None: there is no higher one.

    ``seen`` are the models and firmwares of the transcripts.
    """

    name: str
    missing: str | None
    seen: tuple[str, ...] = ()


def grade_of(driver: AnyDriver[Any], results: KitResults | None) -> Grade:
    """Return the grade of a driver: the highest whose criteria, and all those below, are met."""
    found = transcripts_of(driver)
    seen = tuple(dict.fromkeys(f"{one.model}, firmware {one.firmware}" for one in found))
    outcomes, problem = _outcomes(driver, results)
    if problem is not None:
        return Grade(GRADES[0], problem, seen)
    for number, criterion in enumerate(CRITERIA):
        missing = next(criterion(driver, outcomes, found), None)
        if missing is not None:
            return Grade(GRADES[number], missing, seen)
    return Grade(GRADES[-1], None, seen)


def transcripts_of(driver: AnyDriver[Any]) -> list[Dialogue]:
    """Return the transcripts of real sessions that the package of a driver contains."""
    spec = find_spec(_package(driver))
    if spec is None or spec.origin is None:
        return []
    found = []
    for path in sorted((Path(spec.origin).parent / "evidence").glob("*.json")):
        try:
            found.append(load_dialogue(path))
        except (ConfigError, OSError):
            continue
    return [one for one in found if one.driver == driver.name]


def _outcomes(driver: AnyDriver[Any], results: KitResults | None) -> tuple[Outcomes, str | None]:
    """Return the results of a driver, or why there are none."""
    own = None if results is None else results.drivers.get(driver.name)
    if own is None:
        return {}, "no results of the conformance kit"
    if own.package != _package(driver) or own.source != fingerprint(own.package):
        return {}, "the results are of other source code"
    return own.protocols, None


def _bronze(driver: AnyDriver[Any], outcomes: Outcomes, _: Sequence[Dialogue]) -> Iterator[str]:
    yield from _not_passed(outcomes, DOCUMENTED)


def _silver(driver: AnyDriver[Any], outcomes: Outcomes, _: Sequence[Dialogue]) -> Iterator[str]:
    yield from (f"{protocol}: the kit was not run" for protocol in _protocols(driver) if protocol not in outcomes)
    for protocol, checks in outcomes.items():
        yield from (f"{protocol}: {_named(check)}: failed" for check, outcome in checks.items() if outcome == FAILED)
        yield from (f"{protocol}: {_named(check)}: not run" for check in _checks() if check not in checks)


def _gold(driver: AnyDriver[Any], outcomes: Outcomes, _: Sequence[Dialogue]) -> Iterator[str]:
    yield from _not_passed(outcomes, TYPED)
    if driver.protocols:
        yield from _not_passed(outcomes, TRUE)


def _platinum(driver: AnyDriver[Any], outcomes: Outcomes, found: Sequence[Dialogue]) -> Iterator[str]:
    if not driver.protocols:
        yield "a device without a port has no transcripts"
    seen = {one.protocol for one in found}
    yield from (f"{name}: no transcript of a real instrument" for name in driver.protocols if name not in seen)
    yield from _not_passed(outcomes, (REPLAYED,))


CRITERIA: tuple[Callable[[AnyDriver[Any], Outcomes, Sequence[Dialogue]], Iterator[str]], ...] = (
    _bronze,
    _silver,
    _gold,
    _platinum,
)
"""Each yields what is missing for its grade."""


def _checks() -> list[str]:
    """Return the names of all checks of the kit."""
    from riglog.testing.conformance.kit import DriverConformance

    return [name for name in dir(DriverConformance) if name.startswith("test_")]


def _protocols(driver: AnyDriver[Any]) -> Sequence[str]:
    return driver.protocols or (DIRECT,)


def _not_passed(outcomes: Outcomes, wanted: Sequence[str]) -> Iterator[str]:
    for protocol, checks in outcomes.items():
        for check in wanted:
            if (outcome := checks.get(check, "not run")) != PASSED:
                yield f"{protocol}: {_named(check)}: {outcome}"


def _named(check: str) -> str:
    return check.removeprefix("test_").replace("_", " ")


def _package(driver: AnyDriver[Any]) -> str:
    return type(driver).__module__.partition(".")[0]
