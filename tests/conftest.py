"""Every async test runs on asyncio and on trio, in virtual time unless it is marked ``real_time``.

The fast run, ``pytest -m "not real_time and not slow"``, leaves out the repetition on trio.
"""

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from riglog.acquire import recorder
from riglog.model.actor import use_program
from riglog.testing import virtual_backend

pytest_plugins = ["riglog.testing.pytest_plugin", "pytester"]
"""Also without the entry point; a plugin of this name is loaded once."""

BYTECODE = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"


def pytest_configure() -> None:
    """Where PYTHONDONTWRITEBYTECODE keeps the tree clean, the hundreds of processes of a run still share bytecode."""
    for size in ("COLUMNS", "LINES"):  # of the terminal of the run: what tests print is as wide as in a pipe
        os.environ.pop(size, None)
    if sys.dont_write_bytecode:
        sys.dont_write_bytecode = False
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # also python -B


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """With ``--dist loadgroup``, tests in real time run one after the other, beside those in virtual time.

    Those of whole programs are a second line of them: they are more patient.
    A computer that is busy may still be late for one of them: what fails is run up to two times more.
    """
    repeats = config.pluginmanager.hasplugin("rerunfailures")
    for item in items:
        whole_program = not {"end_to_end", "docs"}.isdisjoint(item.path.parts)
        if item.get_closest_marker("real_time") or "end_to_end" in item.path.parts:
            if not item.get_closest_marker("xdist_group"):
                item.add_marker(pytest.mark.xdist_group("programs" if whole_program else "real_time"))
            if repeats:
                item.add_marker(pytest.mark.flaky(reruns=2))
    yield


@pytest.fixture(params=["asyncio", pytest.param("trio", marks=pytest.mark.slow)])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.node.get_closest_marker("real_time"):
        return request.param, {}
    return virtual_backend(request.param)


@pytest.fixture(scope="session", autouse=True)
def _nobody_collects_the_heap_of_all_tests() -> Iterator[None]:
    """A run collects garbage at its start: with the objects of all tests, that was half of the time of the fast run."""
    without_collect = SimpleNamespace(collect=int, freeze=gc.freeze, unfreeze=gc.unfreeze)
    with mock.patch.object(recorder, "gc", without_collect):
        yield


@pytest.fixture(autouse=True)
def _no_command_is_performed() -> None:
    """A command that a test performs in this process leaves its name behind, as it may: others are in the next test."""
    use_program("riglog")
