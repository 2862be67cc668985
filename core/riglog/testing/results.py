"""Results of the conformance kit in a file, bound to the source code that was tested.

``pytest --riglog-results FILE`` writes them; ``riglog plugins --grade FILE`` computes grades from them.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError
from riglog.plugin.options import convert

FORMAT = "riglog conformance 1"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class DriverResults(Struct, forbid_unknown_fields=True):
    """The outcome of each check of one driver, by protocol; of several runs of a check the worst.

    ``source`` is the fingerprint of the package that was tested.
    """

    package: str
    source: str
    protocols: dict[str, dict[str, str]] = {}

    def add(self, protocol: str, check: str, outcome: str) -> None:
        """Add one outcome: a check fails if it fails once, and is skipped only if it never ran."""
        checks = self.protocols.setdefault(protocol, {})
        order = (FAILED, PASSED, SKIPPED)
        checks[check] = min(checks.get(check, outcome), outcome, key=order.index)


class KitResults(Struct, forbid_unknown_fields=True):
    """The results of all drivers, by name."""

    format: str = FORMAT
    drivers: dict[str, DriverResults] = {}

    def add(self, driver: str, package: str, protocol: str, check: str, outcome: str) -> None:
        """Add the outcome of one check."""
        if driver not in self.drivers:
            self.drivers[driver] = DriverResults(package, fingerprint(package))
        self.drivers[driver].add(protocol, check, outcome)


def fingerprint(package: str) -> str:
    """Return a hash of the source code and data of a package; "" if it is not there."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    paths = [origin] if not spec.submodule_search_locations else sorted(origin.parent.rglob("*"))
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(origin.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def load_results(path: str | Path) -> KitResults:
    """Return the results of a file.

    Raises:
        ConfigError: it is not a file of results.
        OSError: it cannot be read.
    """
    try:
        table = msgspec.json.decode(Path(path).read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not results of the conformance kit: {error}") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        hint = "Write the file with pytest --riglog-results FILE"
        raise ConfigError(f"{path}: not results of the conformance kit", hint=hint)
    return convert(table, KitResults, str(path))


def write_results(path: str | Path, results: KitResults) -> None:
    """Write a file of results."""
    Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
