"""Every vendor's package has the same files for the same things."""

from pathlib import Path

import pytest

PACKAGES = sorted(path for path in (Path(__file__).parents[2] / "plugins").glob("*/riglog_*") if path.suffix == "")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
@pytest.mark.parametrize("name", ["config", "driver", "plugin", "simulator", "errors", "probe", "commands", "decode"])
def test_a_vendor_keeps_this_in_the_file_of_that_name(package: Path, name: str) -> None:
    assert (package / f"{name}.py").exists() or (package / name / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_vendor_is_typed_and_says_what_it_is(package: Path) -> None:
    assert (package / "py.typed").exists()
    assert (package.parent / "README.md").read_text(encoding="utf-8").startswith("# riglog-")
    assert "riglog" in (package.parent / "pyproject.toml").read_text(encoding="utf-8")
