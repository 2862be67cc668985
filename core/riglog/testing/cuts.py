"""Small recordings of bug reports (``riglog cut``) as tests."""

from functools import partial
from pathlib import Path

import anyio

from riglog.plugin import Registry
from riglog.rig.redecoding import Redecoded, redecode
from riglog.testing.virtual_time import virtual_backend


def assert_decodes(path: str | Path, *, registry: Registry | None = None) -> Redecoded:
    """Decode the kept bytes of a recording with the drivers that are installed, and compare with its rows.

    Raises:
        AssertionError: rows are different, or a device cannot be decoded.
    """
    backend, options = virtual_backend("asyncio")
    found = anyio.run(partial(redecode, path, registry=registry), backend=backend, backend_options=options)
    lines = [
        f"{each.device}.{each.parameter}[{each.instance}] at {each.received_at}:"
        f" stored {each.stored}, today {each.today}"
        for each in found.differences
    ]
    problems = [*found.problems, *lines] or ([] if found.rows else [f"{path}: no row was compared"])
    if problems:
        raise AssertionError("\n".join(problems))
    return found
