"""The checks of the package: each fails on a distribution that is broken there."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broken_drivers import MeterKit

from riglog.simulation import Fault

PACKAGE = "riglog_meter_in_a_test"
SOURCE = """
from riglog.plugin import hookimpl
from meter import MeterDriver

RIGLOG_API = 2

class OwnDriver(MeterDriver):
    pass

@hookimpl
def riglog_drivers():
    return [OwnDriver()]
"""
METADATA = {
    "Metadata-Version": "2.4",
    "Name": "riglog-meter",
    "Version": "1.0",
    "Summary": "Pressure meters",
    "License-Expression": "MIT",
    "Requires-Dist": "riglog>=0.1",
}
README = "meter: protocol meter-ascii, key address. A fault corrupt is not detected."


class Site:
    """A folder on the path with the distribution of a driver."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, *, source: str = SOURCE, readme: str = README, typed: bool = True, **metadata: str | None) -> Any:
        """Install it, with some metadata changed, and return the kit for its driver."""
        package, told = self.path / PACKAGE, self.path / "riglog_meter-1.0.dist-info"
        package.mkdir()
        (package / "__init__.py").write_text(source)
        if typed:
            (package / "py.typed").write_text("")
        told.mkdir()
        (told / "entry_points.txt").write_text(f"[riglog]\nmeter = {PACKAGE}\n")
        head = METADATA | {name.replace("_", "-"): value for name, value in metadata.items()}
        lines = [f"{name}: {value}" for name, value in head.items() if value is not None]
        (told / "METADATA").write_text("\n".join(lines) + f"\n\n{readme}")
        module = __import__(PACKAGE)
        return type("Kit", (MeterKit,), {"driver": module.OwnDriver(), "installed": True})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Site(tmp_path)
    sys.modules.pop(PACKAGE, None)


CHECKS = (
    "an_installed_plugin_brings_the_driver_without_a_warning",
    "the_distribution_says_what_it_is",
    "the_package_is_typed",
    "the_readme_explains_the_driver",
    "the_readme_names_the_faults_that_cannot_be_detected",
)


def failed(kit: Any) -> list[str]:
    """The checks that fail, of those that need no new process."""
    found = []
    for check in CHECKS:
        try:
            getattr(kit(), f"test_{check}")()
        except pytest.skip.Exception:
            continue
        except (AssertionError, pytest.fail.Exception):
            found.append(check)
    return found


def test_a_complete_distribution_passes(site: Site) -> None:
    kit = site.install()
    kit.undetectable = {Fault.CORRUPT: "no checksum"}
    assert failed(kit) == []


def test_a_plugin_without_its_api_version_fails(site: Site) -> None:
    assert failed(site.install(source=SOURCE.replace("RIGLOG_API = 2", ""))) == [CHECKS[0]]


@pytest.mark.parametrize(
    "metadata",
    [{"Name": "meter"}, {"License_Expression": None}, {"Summary": None}, {"Requires_Dist": "msgspec"}],
    ids=str,
)
def test_a_distribution_that_does_not_say_what_it_is_fails(site: Site, metadata: dict[str, str | None]) -> None:
    assert failed(site.install(**metadata)) == [CHECKS[1]]


def test_a_package_without_types_fails(site: Site) -> None:
    assert failed(site.install(typed=False)) == [CHECKS[2]]


def test_a_readme_that_does_not_explain_a_key_fails(site: Site) -> None:
    assert failed(site.install(readme=README.replace("address", "number"))) == [CHECKS[3]]


def test_a_readme_that_hides_a_limit_of_the_protocol_fails(site: Site) -> None:
    kit = site.install(readme=README.replace("corrupt", "?"))
    kit.undetectable = {Fault.CORRUPT: "no checksum"}
    assert failed(kit) == [CHECKS[4]]


def test_a_driver_that_is_not_installed_fails(site: Site) -> None:
    kit = site.install()
    (site.path / "riglog_meter-1.0.dist-info" / "entry_points.txt").write_text("")
    assert CHECKS[0] in failed(kit)


def test_a_plugin_that_imports_something_heavy_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{site.path}:{Path(__file__).parents[2] / 'support'}", prepend=":")
    kit = site.install(source="import pytest" + SOURCE)
    with pytest.raises(AssertionError, match="pytest"):
        kit().test_importing_the_plugin_imports_nothing_heavy()


@pytest.mark.slow
def test_a_wrong_type_fails(site: Site) -> None:
    kit = site.install(source="width: int = 'wide'" + SOURCE)
    with pytest.raises(AssertionError, match="Incompatible types"):
        kit().test_mypy_finds_nothing()
