"""The library logs below ``riglog``, and prints nothing unless the application configures logging."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from riglog.simulation import FaultyWire, SimulatedBus
from riglog.simulation.serve import serve_tcp
from riglog.transport import Link, open_transport

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[2]
LOGGING = [
    path
    for path in [*ROOT.glob("core/riglog/*/**/*.py"), *ROOT.glob("plugins/*/riglog_*/**/*.py")]
    if re.search(r"get_?logger\(", path.read_text(encoding="utf-8"), re.IGNORECASE)
]


async def test_a_port_logs_when_it_is_opened_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "riglog.transport")
    async with serve_tcp(FaultyWire(SimulatedBus())) as port:
        transport = await open_transport(port, Link(protocol="x"))
        await transport.aclose()
    records = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert [name for name, _, _ in records] == ["riglog.transport", "riglog.transport"]
    assert {level for _, level, _ in records} == {"DEBUG"}
    assert records[0][2].startswith(f"{port}: opened")
    assert records[1][2] == f"{port}: closed"


@pytest.mark.parametrize("path", LOGGING, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_logger_of_every_module_is_documented(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    room = parts[2] if parts[0] == "core" else parts[1]
    assert f"| `riglog.{room}` |" in (ROOT / "docs/reference/logging.md").read_text(encoding="utf-8")


def test_nothing_is_printed_by_default() -> None:
    code = "from riglog.log import get_logger; get_logger('riglog.x').warning('printed'); print('end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("end\n", "")
