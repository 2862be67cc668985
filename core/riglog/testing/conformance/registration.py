"""Checks of the package: found, valid, light, complete, documented, typed."""

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from riglog.plugin import hooks
from riglog.plugin.checks import check_driver
from riglog.plugin.loader import load_plugins
from riglog.plugin.registry import Registry
from riglog.testing.conformance.subject import Subject

HEAVY = ("numpy", "pandas", "pyarrow", "matplotlib", "scipy", "pymodbus", "serial", "pytest", "asyncpg")
"""Libraries that every command of riglog would import with the plugin."""


class RegistrationChecks(Subject):
    def test_the_driver_is_valid(self) -> None:
        """riglog registers it: an object, with name, summary, protocols, config and every method.

        An invalid driver is left out, and `riglog plugins` says why.
        """
        assert check_driver(self.driver) is None

    def test_an_installed_plugin_brings_the_driver_without_a_warning(self) -> None:
        """An entry point of the group `riglog` names a module with RIGLOG_API and the hook.

        Without it nobody can use the driver, although its tests pass.
        """
        point = self.entry_point()
        found = Registry(load_plugins([point]))
        (plugin,) = found.plugins
        assert plugin.problem is None, plugin.problem
        assert plugin.warning is None, plugin.warning
        assert type(found.drivers.get(self.driver.name)) is type(self.driver)

    def test_importing_the_plugin_imports_nothing_heavy(self) -> None:
        """Large libraries are imported by the functions that use them.

        Every command of riglog imports every plugin: a slow import is paid by all users, at each start.
        """
        assert _heavy_imports(self.entry_point().module) == []

    def test_the_distribution_says_what_it_is(self) -> None:
        """It is called `riglog-…` and states version, summary, licence, README and that it needs riglog.

        That is what a user sees before the installation, and how pip installs what it needs.
        """
        distribution = self.distribution()
        told = distribution.metadata.json
        name = str(told["name"])
        assert re.fullmatch(r"riglog([-_.].+)?", name), f"the distribution is called {name!r}"
        missing = [key for key in ("version", "summary") if not told.get(key)]
        missing += [] if told.get("license_expression") or told.get("license") else ["license"]
        missing += [] if self.readme() else ["readme"]
        assert not missing
        needs = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in distribution.requires or ()]
        assert name == "riglog" or "riglog" in needs, "its dependencies do not name riglog"

    def test_the_package_is_typed(self) -> None:
        """A package contains `py.typed`: type checkers ignore its annotations otherwise."""
        folder = self.package()
        assert (folder / "py.typed").exists(), f"{folder} has no py.typed"

    @pytest.mark.slow
    def test_mypy_finds_nothing(self) -> None:
        """mypy with --strict accepts the package.

        The types of Driver, Config and Client find a forgotten await or a missing unit before an instrument does.
        """
        self.entry_point()
        if find_spec("mypy") is None:
            pytest.skip("mypy is not installed")
        spec = find_spec(type(self.driver).__module__.partition(".")[0])
        assert spec is not None
        path = Path(spec.origin or "").parent if spec.submodule_search_locations else Path(spec.origin or "")
        assert _mypy(path) == ""

    def test_the_readme_explains_the_driver(self) -> None:
        """The README names the driver, its protocols and its own keys.

        A key that is explained nowhere is found by reading the source code.
        """
        text = self.readme()
        wanted = [self.driver.name, *self.driver.protocols, *self.own_keys()]
        assert [word for word in wanted if word not in text] == []

    def test_the_readme_names_the_faults_that_cannot_be_detected(self) -> None:
        """A limit of the protocol, such as no checksum, is told to the user."""
        if not self.undetectable:
            pytest.skip("every fault is detected")
        text = self.readme()
        assert [fault.value for fault in self.undetectable if fault.value not in text.lower()] == []

    def test_the_demo_shows_it(self) -> None:
        """`demo()` returns tables that are valid, so that `riglog demo` shows the driver without an instrument."""
        driver = self.driver
        tables = list(driver.demo())
        if not tables:
            pytest.skip("demo() returns no table")
        assert self.demo_tables() == len(tables)

    # --- what is installed

    def entry_point(self) -> EntryPoint:
        """Return the entry point that brings the driver; skip the check if it is not installed on purpose."""
        if not self.installed:
            pytest.skip("installed = False: the driver is not brought by a distribution")
        root = type(self.driver).__module__.partition(".")[0]
        points = [point for point in entry_points(group=hooks.GROUP) if point.module.partition(".")[0] == root]
        assert points, f"no entry point of group {hooks.GROUP!r} names the package {root}; is it installed?"
        return points[0]

    def distribution(self) -> Distribution:
        distribution = self.entry_point().dist
        assert distribution is not None
        return distribution

    def readme(self) -> str:
        """Return the README: beside the source code, or of the distribution; "" if there is none."""
        told = self.distribution().metadata.json
        root = find_spec(type(self.driver).__module__.partition(".")[0])
        for folder in Path(root.origin).resolve().parents[:2] if root is not None and root.origin else ():
            if (folder / "README.md").exists() and (folder / "pyproject.toml").exists():
                return (folder / "README.md").read_text(encoding="utf-8")
        return str(told.get("description") or "")

    def package(self) -> Path:
        """Return the folder of the package; skip the check for a single module."""
        self.entry_point()
        spec = find_spec(type(self.driver).__module__.partition(".")[0])
        if spec is None or not spec.submodule_search_locations:
            pytest.skip("a single module: it cannot contain py.typed")
        return Path(next(iter(spec.submodule_search_locations)))

    def demo_tables(self) -> int:
        """Return how many tables of ``demo()`` are valid."""
        registry = Registry(load_plugins([]))
        registry.drivers[self.driver.name] = self.driver
        return len(registry.demo_tables())


@cache
def _heavy_imports(module: str) -> list[str]:
    """Return the heavy libraries that a module imports in a new process."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return sorted({name.partition(".")[0] for name in done.stdout.split()} & {*HEAVY})


@cache
def _mypy(path: Path) -> str:
    """Return what mypy finds in a package or module; once for all protocols."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)
    return done.stdout + done.stderr
