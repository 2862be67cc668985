"""The public names of riglog: one list, imported when a name is used, and nothing before."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import riglog
import riglog.recordings
from riglog import _names


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_all_and_dir_are_the_names_of_the_list() -> None:
    listed = sorted(name for name in vars(_names) if name.isidentifier() and not name.startswith("_"))
    assert riglog.__all__ == dir(riglog) == listed
    for name in listed:
        assert getattr(riglog, name) is getattr(_names, name)


@pytest.mark.parametrize("package", [riglog, riglog.recordings], ids=lambda package: package.__name__)
def test_a_public_name_hides_no_module(package: ModuleType) -> None:
    root = Path(package.__file__ or "").parent
    modules = {path.stem for path in root.glob("*.py")} | {path.parent.name for path in root.glob("*/__init__.py")}
    assert not modules & set(package.__all__)


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("import riglog; print('riglog._names' in sys.modules)", "False"),
        (
            "from riglog import Sample; print('riglog.manager' in sys.modules, 'riglog._names' in sys.modules)",
            "False False",
        ),
        ("from riglog import errors; print('riglog._names' in sys.modules, errors.__name__)", "False riglog.errors"),
        ("import riglog; print(hasattr(riglog, '__wrapped__'), 'riglog._names' in sys.modules)", "False False"),
        ("import riglog; riglog.Manager; print('Manager' in vars(riglog))", "True"),
        ("from riglog import *; print(Manager.__name__)", "Manager"),
    ],
)
def test_names_are_imported_when_they_are_needed(code: str, printed: str) -> None:
    assert python(f"import sys; {code}") == printed


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'riglog' has no attribute 'Manger'"):
        _ = riglog.Manger  # type: ignore[attr-defined]
