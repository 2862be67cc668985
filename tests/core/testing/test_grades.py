"""Grades are computed from results that belong to the installed source code, and never claimed."""

from pathlib import Path

import pytest
from meter import MeterDriver
from meter_session import session

from riglog.errors import ConfigError
from riglog.testing import DriverConformance, grades
from riglog.testing.grades import DOCUMENTED, REPLAYED, TRUE, TYPED, Grade, grade_of
from riglog.testing.results import DriverResults, KitResults, fingerprint, load_results, write_results

EVERY = [name for name in dir(DriverConformance) if name.startswith("test_")]


def results(**changes: str) -> KitResults:
    """The results of a driver that passes, with other outcomes for some checks."""
    outcomes = dict.fromkeys(EVERY, "passed") | changes
    own = DriverResults("meter", fingerprint("meter"), {"meter-ascii": outcomes})
    return KitResults(drivers={"meter": own})


def grade(found: KitResults | None) -> Grade:
    return grade_of(MeterDriver(), found)


def test_without_results_there_is_no_grade() -> None:
    assert grade(None) == Grade("none", "no results of the conformance kit")
    assert grade(KitResults()).name == "none"


def test_results_of_other_source_code_are_worth_nothing() -> None:
    old = results()
    old.drivers["meter"].source = "0" * 64
    assert grade(old) == Grade("none", "the results are of other source code")


@pytest.mark.parametrize(
    ("changes", "name", "missing"),
    [
        ({DOCUMENTED[3]: "failed"}, "none", "meter-ascii: the readme explains the driver: failed"),
        ({"test_polling_only_reads": "failed"}, "bronze", "meter-ascii: polling only reads: failed"),
        ({TRUE[1]: "skipped"}, "silver", "meter-ascii: a fault gives no wrong value: skipped"),
        ({TYPED[1]: "skipped"}, "silver", "meter-ascii: mypy finds nothing: skipped"),
        ({}, "gold", "meter-ascii: no transcript of a real instrument"),
    ],
)
def test_a_grade_names_what_the_next_one_needs(changes: dict[str, str], name: str, missing: str) -> None:
    assert grade(results(**changes)) == Grade(name, missing)


def test_a_part_of_the_kit_is_not_the_kit() -> None:
    """Running the few checks that pass gives no grade that all of them would not give."""
    found = results()
    del found.drivers["meter"].protocols["meter-ascii"]["test_polling_only_reads"]
    assert grade(found) == Grade("bronze", "meter-ascii: polling only reads: not run")


def test_the_highest_grade_needs_a_transcript_of_every_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grades, "transcripts_of", lambda driver: [session()])
    assert grade(results()) == Grade("platinum", None, ("PM-1, firmware 2.1",))
    assert grade(results(**{REPLAYED: "failed"})).name == "bronze"


def test_a_check_that_failed_once_has_failed(tmp_path: Path) -> None:
    found = KitResults()
    for outcome in ("skipped", "passed", "failed", "passed"):
        found.add("meter", "meter", "meter-ascii", "test_polling_only_reads", outcome)
    write_results(tmp_path / "results.json", found)
    loaded = load_results(tmp_path / "results.json")
    assert loaded.drivers["meter"].protocols == {"meter-ascii": {"test_polling_only_reads": "failed"}}
    assert loaded.drivers["meter"].source == fingerprint("meter")


def test_a_file_that_is_no_results_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("{}")
    with pytest.raises(ConfigError, match="not results of the conformance kit"):
        load_results(path)


def test_pytest_writes_the_results(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from broken_drivers import MeterKit

        class TestMeter(MeterKit):
            pass
        """
    )
    done = pytester.runpytest(
        "-p",
        "riglog.testing.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "--riglog-results",
        "results.json",
        "-k",
        "valid or registered or own_key",
    )
    assert done.ret == 0
    (protocols,) = [one.protocols for one in load_results(pytester.path / "results.json").drivers.values()]
    assert protocols["meter-ascii"]["test_the_driver_is_valid"] == "passed"
