"""What a user installs: wheels, extras, and the package that `riglog new-driver` writes."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fresh_environment import ROOT, FreshEnvironment, build_wheels, environment, run
from processes import running

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.xdist_group("fresh_environments")]

KINDS = ("ascii", "binary", "modbus", "direct")
VENDORS = {"watlow", "servomex", "sartorius"}
OLDEST, MINORS = 11, range(30, 11, -1)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheels(tmp_path_factory.mktemp("distributions"))


def interpreters() -> list[str]:
    """The oldest supported Python and the newest one of this machine."""
    oldest, *_ = [found for name in (f"python3.{OLDEST}", "python3") if (found := usable(name))]
    newer = [found for minor in MINORS if (found := usable(f"python3.{minor}"))]
    return [oldest, *newer[:1]]


def usable(name: str) -> str | None:
    """Return the path of an interpreter, on the path or of pyenv, that runs and makes environments."""
    here = shutil.which(name)
    candidates = [here] if here else []
    versions = Path.home() / ".pyenv" / "versions"
    candidates += [str(path) for path in sorted(versions.glob(f"{name.removeprefix('python')}.*/bin/python"))]
    for candidate in candidates:
        done = subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True, check=False)
        if done.returncode == 0:
            return candidate
    return None


def vendors_of(environment: FreshEnvironment) -> set[str]:
    """The drivers that an environment has, without a plugin that failed."""
    found = json.loads(environment.riglog("plugins", "--json").stdout)
    assert [plugin["problem"] for plugin in found["plugins"] if plugin["problem"]] == []
    return {driver["name"] for driver in found["drivers"]}


@pytest.mark.parametrize("python", interpreters())
def test_an_extra_installs_its_vendor_and_all_installs_all(python: str, wheels: Path, tmp_path: Path) -> None:
    environment = FreshEnvironment(tmp_path / "venv", wheels, python)
    environment.install("riglog[sartorius]")
    assert vendors_of(environment) == {"sartorius"}
    environment.install("riglog[all]")
    assert vendors_of(environment) >= VENDORS
    done = environment.riglog("demo", "--duration", "1s", cwd=tmp_path)
    assert done.returncode == 0


def test_a_new_driver_installs_is_listed_is_recorded_and_passes_the_kit(wheels: Path, tmp_path: Path) -> None:
    environment = FreshEnvironment(tmp_path / "venv", wheels)
    environment.install("riglog", "pytest", "trio", "mypy")
    names = {kind: f"our-{kind}" for kind in KINDS}
    for kind, name in names.items():
        assert environment.riglog("new-driver", name, f"--{kind}", cwd=tmp_path).returncode == 0
    environment.install(*(argument for name in names.values() for argument in ("-e", tmp_path / f"riglog-{name}")))
    assert vendors_of(environment) == {*names.values()}
    for kind, name in names.items():
        out = tmp_path / f"{kind}.sqlite"
        assert environment.riglog("demo", "--driver", name, "--duration", "1s", "--out", out).returncode == 0
        with sqlite3.connect(out) as recording:
            rows, good = recording.execute("SELECT count(*), count(value) FROM samples").fetchone()
        assert rows == good > 0
        done = run(
            environment.python, "-m", "pytest", "-q", "-m", "not slow or not anyio", cwd=tmp_path / f"riglog-{name}"
        )
        assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_the_package_of_an_outsider_passes_the_kit_and_is_recorded_with_another_vendor(
    wheels: Path, tmp_path: Path
) -> None:
    """Everything in a new environment: its own tests, then three instruments on two real ports into one file."""
    package, out = tmp_path / "riglog-alicat", tmp_path / "mixed.sqlite"
    shutil.copytree(ROOT / "examples" / "riglog-alicat", package, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    fresh = FreshEnvironment(tmp_path / "venv", wheels)
    fresh.install("riglog", "riglog-watlow", "pytest", "-e", package)
    assert vendors_of(fresh) == {"watlow", "alicat"}
    done = run(fresh.python, "-m", "pytest", "-q", "-m", "not slow", cwd=package)
    assert done.returncode == 0, done.stdout[-3000:]

    script = ROOT / "examples" / "mixed_watlow_alicat.py"
    with ExitStack() as stack:
        ports = [
            stack.enter_context(simulated(fresh, tmp_path / driver, driver, *addresses))
            for driver, *addresses in (("watlow", "1"), ("alicat", "A", "B"))
        ]
        done = run(fresh.python, script, out, "2", *ports)
    assert done.returncode == 0, done.stderr[-2000:]
    with sqlite3.connect(out) as recording:
        found = recording.execute("SELECT device, count(*), count(coalesce(value, text)) FROM samples GROUP BY device")
        rows = {device: (count, good) for device, count, good in found}
    assert {*rows} == {"oven", "argon", "nitrogen"}
    assert [device for device, (count, good) in rows.items() if not count == good > 0] == []


@contextmanager
def simulated(fresh: FreshEnvironment, link: Path, driver: str, *addresses: str) -> Iterator[Path]:
    """Simulate instruments of a driver on a pseudo-terminal until the end of the block."""
    options = [part for address in addresses for part in ("--address", address)]
    command = [str(fresh.python), "-m", "riglog", "simulate", driver, *options, "--link", str(link)]
    with running(command, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # one line when it is ready
        yield link
