"""A recording says with which instrument file it was made."""

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

from riglog import load_rig, record_rig

RIG = """\
[run]
rate_hz = 10.0

[[device]]
name = "meter"
driver = "modbus"
instrument = "ours.toml"
port = "sim:meter"

[[device]]
name = "spare"
driver = "modbus"
instrument = "ours.toml"
port = "sim:spare"
"""
OURS = """\
extends = "base.toml"
title = "Our meter"
notes = ["web page: password = hunter2"]
"""
BASE = """\
format = 1
driver = "modbus"
title = "Meter"

[block.values.channel]
voltage = { register = 7, unit = "V" }
"""


async def test_the_run_has_the_text_of_each_file_once_and_no_password(tmp_path: Path) -> None:
    for name, text in (("rig.toml", RIG), ("ours.toml", OURS), ("base.toml", BASE)):
        (tmp_path / name).write_text(text)
    config = load_rig(tmp_path / "rig.toml", out=tmp_path / "run.sqlite")
    await record_rig(config, duration=0.2)
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as recording:
        (stored,) = recording.execute("SELECT rig FROM run").fetchone()
    assert tomllib.loads(stored) == tomllib.loads(RIG)
    files = [line for line in stored.splitlines() if line.startswith("# File ")]
    assert [line.split()[2] for line in files] == ["ours.toml,", "base.toml,"]
    of_base = stored.partition("# File base.toml")[2].splitlines()[1:]
    assert "\n".join(line.removeprefix("#|").removeprefix(" ") for line in of_base) == BASE.rstrip("\n")
    assert "hunter2" not in stored
    assert "password = ***" in stored
