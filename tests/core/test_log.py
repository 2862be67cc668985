"""The library logs below ``riglog``, and prints nothing unless the application configures logging."""

import logging
import subprocess
import sys

import pytest

from riglog.simulation import FaultyWire, SimulatedBus
from riglog.simulation.serve import serve_tcp
from riglog.transport import Link, open_transport

pytestmark = pytest.mark.real_time


async def test_a_port_logs_when_it_is_opened_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "riglog.transport")
    async with serve_tcp(FaultyWire(SimulatedBus())) as port:
        transport = await open_transport(port, Link(protocol="x"))
        await transport.aclose()
    records = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert [name for name, _, _ in records] == ["riglog.transport.open", "riglog.transport.nonblocking"]
    assert {level for _, level, _ in records} == {"DEBUG"}
    assert records[0][2].startswith(f"{port}: opened")
    assert records[1][2] == f"{port}: closed"


def test_nothing_is_printed_by_default() -> None:
    code = "from riglog.log import get_logger; get_logger('riglog.x').warning('printed'); print('end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("end\n", "")
