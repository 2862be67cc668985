"""`riglog check --live --evidence`: a session with an instrument, here a simulated one, is written and replayed."""

import os
from pathlib import Path

import anyio
import pytest
from terminal import riglog, simulated

from riglog.plugin import installed
from riglog.testing import load_dialogue, virtual_backend

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals"),
]

RIG = """
[run]
name = "evidence"

[[device]]
name = "instrument"
driver = "{driver}"
port = "{port}"
protocol = "{protocol}"
"""


@pytest.mark.parametrize(
    ("driver", "protocol", "serial"),
    [
        ("watlow", "stdbus", None),
        ("watlow", "modbus-rtu", None),
        ("servomex", "modbus-ascii", None),
        ("sartorius", "xbpi", None),
        ("sartorius", "sbi", None),
    ],
)
def test_a_session_is_written_and_replayed(driver: str, protocol: str, serial: None, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    with simulated(driver, "--protocol", protocol) as ready:
        rig = tmp_path / "rig.toml"
        rig.write_text(RIG.format(driver=driver, protocol=protocol, port=ready["port"]))
        done = riglog("check", str(rig), "--live", "--evidence", str(path), "--model", "simulated", "--firmware", "1.0")
    assert done.code == 0, done.err
    dialogue = load_dialogue(path)
    assert (dialogue.driver, dialogue.protocol) == (driver, protocol)
    assert (dialogue.model, dialogue.firmware, dialogue.adapter) == ("simulated", "1.0", "not stated")
    assert all(reading.status == "ok" for reading in dialogue.readings)
    name, options = virtual_backend("asyncio")
    replayed = anyio.run(dialogue.replay, installed().driver(driver), backend=name, backend_options=options)
    assert replayed == list(dialogue.readings)


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text("mine")
    done = riglog("check", "rig.toml", "--live", "--evidence", str(path))
    assert done.code == 2
    assert "exists already" in done.err
    assert path.read_text() == "mine"
