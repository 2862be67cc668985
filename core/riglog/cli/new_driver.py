"""Writes the package of a new driver from templates: it installs, records its simulator, and passes the kit."""

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword
from pathlib import Path

from riglog.errors import ConfigError

KINDS = ("ascii", "binary", "modbus", "direct")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "init.py": "{package}/__init__.py",
    "test_conformance.py": "tests/test_conformance.py",
}
"""Where a template goes; the others are modules of the package."""


def check_name(name: str, taken: frozenset[str]) -> None:
    """Refuse a name that cannot be the name of a driver, a package and a distribution.

    Args:
        taken: the names of the installed drivers.

    Raises:
        ConfigError: it cannot.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or iskeyword(package_of(name)):
        raise ConfigError(
            f"invalid driver name {name!r}",
            hint=f"Use lower-case letters, digits and single hyphens, at most {LONGEST_NAME} characters",
        )
    if name in taken:
        raise ConfigError(f"a driver named {name!r} is installed already", hint="Choose another name")


def package_of(name: str) -> str:
    """Return the name of the package of a driver."""
    return f"riglog_{name.replace('-', '_')}"


def write_package(name: str, kind: str, folder: Path) -> list[Path]:
    """Write the package into ``folder/riglog-NAME``; return its files.

    Raises:
        ConfigError: the folder exists; nothing was written.
        OSError: the folder cannot be written.
    """
    root = folder / f"riglog-{name}"
    if root.exists() or root.is_symlink():
        raise ConfigError(f"{root} exists already", hint="Choose another name, or another folder with --out")
    written = []
    for place, text in rendered(name, kind):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        written.append(path)
    return written


def rendered(name: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield each file of the package: its path within it, and its text."""
    package = package_of(name)
    words = {
        "@name@": name,
        "@Name@": "".join(word.capitalize() for word in name.split("-")),
        "@Title@": name.replace("-", " ").capitalize(),
        "@package@": package,
        "@distribution@": f"riglog-{name}",
    }
    for template in _templates(kind):
        text = template.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        own = template.name.removesuffix(".tmpl")
        yield PLACES.get(own, "{package}/" + own).format(package=package), text
    yield f"{package}/py.typed", ""


def _templates(kind: str) -> Iterator[Traversable]:
    for folder in ("common", kind):
        found = files("riglog.cli").joinpath("templates", folder).iterdir()
        yield from sorted((one for one in found if one.name.endswith(".tmpl")), key=lambda one: one.name)
