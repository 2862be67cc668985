"""A recording with everything in it, for what reads and exports."""

from pathlib import Path

import anyio
import pytest
from recorded import make_run, sqlite_recording


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, ``bench.0001`` and ``other.0002``, of 19 rows each."""
    path = tmp_path_factory.mktemp("store") / "bench.sqlite"
    runs = [make_run(number=1), make_run("other", number=2)]
    anyio.run(lambda: sqlite_recording(path, *runs))
    return path
