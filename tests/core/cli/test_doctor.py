"""``riglog doctor``: what it finds on a stand-in of each operating system, and in rig files."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from riglog.cli.app import cli
from riglog.cli.console import messages, results
from riglog.cli.health import checks
from riglog.cli.health.finding import Finding
from riglog.cli.health.forecast import bytes_per_row, rows_per_day
from riglog.cli.health.system import Linux, MacOS, Outside, Windows, this_system
from riglog.config import parse_rig
from riglog.model import ClockState
from riglog.plugin import Registry
from riglog.plugin.loader import Plugin
from riglog.sinks.csv import CsvSink
from riglog.sinks.memory import MemorySink
from riglog.sinks.sqlite import SqliteSink
from riglog.timekeeping.sources import LinuxClock


class StandIn(Outside):
    """A computer that is written down: what its programs print, what its files contain, whose its ports are."""

    def __init__(
        self,
        programs: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        closed: dict[str, str | None] | None = None,
        members: Iterable[str] = (),
    ) -> None:
        self.programs, self.files, self.closed = programs or {}, files or {}, closed or {}
        self.members = set(members)

    def run(self, *command: str) -> str | None:
        return self.programs.get(command[0])

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def may_open(self, path: str) -> bool:
        return path not in self.closed

    def real_path(self, path: str) -> str:
        return path

    def group_of(self, path: str) -> str | None:
        return self.closed[path]

    def user(self) -> str:
        return "ada"

    def has_group(self, user: str, group: str) -> bool:
        return group in self.members

    def drive_type(self, path: str) -> int | None:
        return 4 if path.startswith("Z:") else 3


MOUNTS = """\
22 27 0:21 / / rw,relatime - ext4 /dev/sda1 rw
23 22 0:40 / /srv/my\\040data rw,relatime shared:1 - nfs4 server:/data rw
24 22 0:41 / /srv/my\\040data/local rw - ext4 /dev/sdb1 rw
25 22 0:42 / /mnt/sshfs rw - fuse.sshfs host: rw
"""
MAC_MOUNTS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//ada@server/data on /Volumes/data (smbfs, nodev, nosuid, mounted by ada)
"""


@pytest.mark.parametrize(
    ("system", "group", "members", "reason", "command"),
    [
        (Linux, "dialout", [], "ada is not in the group dialout", "sudo usermod -aG dialout ada  # then log in again"),
        (Linux, "uucp", [], "ada is not in the group uucp", "sudo usermod -aG uucp ada  # then log in again"),
        (Linux, "dialout", ["dialout"], "from the next login on", "newgrp dialout"),
        (Linux, None, [], "permission denied for ada", "sudo chmod a+rw /dev/tty0"),
        (Linux, "root", [], "permission denied for ada", "sudo chmod a+rw /dev/tty0"),
        (MacOS, "wheel", [], "ada is not in the group wheel", "sudo dseditgroup -o edit -a ada -t user wheel"),
    ],
)
def test_a_port_without_permission_has_the_command_that_permits_it(
    system: type[Linux], group: str | None, members: list[str], reason: str, command: str
) -> None:
    refusal = system(StandIn(closed={"/dev/tty0": group}, members=members)).refusal("/dev/tty0")
    assert refusal is not None
    assert reason in refusal.reason
    assert refusal.command is not None
    assert refusal.command.startswith(command)
    assert system(StandIn()).refusal("/dev/tty0") is None


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        (ClockState(synchronized=True, error_ns=800_000), "ok"),
        (ClockState(synchronized=False), "problem"),
        (ClockState(synchronized=None), "advice"),
    ],
)
def test_the_clock_is_a_finding_with_the_command_that_mends_it(state: ClockState, finding: str) -> None:
    class Stated(LinuxClock):
        def read(self) -> ClockState:
            return state

    (found,) = checks.clock(Stated())
    assert found.state == finding
    assert finding == "ok" or found.command


@pytest.mark.parametrize(
    ("system", "outside", "folder", "kind"),
    [
        (Linux, StandIn(files={"/proc/self/mountinfo": MOUNTS}), "/srv/my data/x", "nfs4"),
        (Linux, StandIn(files={"/proc/self/mountinfo": MOUNTS}), "/srv/my data/local", None),
        (Linux, StandIn(files={"/proc/self/mountinfo": MOUNTS}), "/srv/my database", None),
        (Linux, StandIn(files={"/proc/self/mountinfo": MOUNTS}), "/mnt/sshfs", "fuse.sshfs"),
        (Linux, StandIn(), "/srv", None),
        (MacOS, StandIn({"/sbin/mount": MAC_MOUNTS}), "/Volumes/data/a", "smbfs"),
        (MacOS, StandIn({"/sbin/mount": MAC_MOUNTS}), "/Users/ada", None),
        (Windows, StandIn(), "\\\\server\\data", "network drive"),
        (Windows, StandIn(), "Z:\\data", "network drive"),
        (Windows, StandIn(), "C:\\data", None),
    ],
)
def test_a_network_mount_is_recognised(system: type[Linux], outside: Outside, folder: str, kind: str | None) -> None:
    assert system(outside).network_mount(Path(folder)) == kind


def test_an_adapter_that_holds_replies_back_is_named_with_the_command() -> None:
    path = "/sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    for text, found in (("16\n", 1), ("1\n", 0)):
        listed = list(checks.ports(["/dev/ttyUSB0"], Linux(StandIn(files={path: text})), {}, needed=False))
        slow = [each for each in listed if each.command]
        assert len(slow) == found
        assert all(each.command == f"echo 1 | sudo tee {path}" and "16 ms" in each.finding for each in slow)


def test_a_port_in_use_is_a_problem_of_the_rig_that_needs_it(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch()
    users = {str(port): ["minicom (4711)"]}
    (needed,) = checks.ports([str(port)], Linux(StandIn()), users, needed=True)
    assert needed == Finding("port", "problem", f"{port}: in use by minicom (4711)", "kill 4711")
    (other,) = checks.ports([str(port)], Linux(StandIn()), users, needed=False)
    assert other.state == "advice"
    (absent,) = checks.ports([str(tmp_path / "no")], Linux(StandIn()), {}, needed=True)
    assert (absent.state, absent.command) == ("problem", "riglog ports")


def test_versions_are_compared_as_numbers() -> None:
    assert [each.state for version in ((3, 51, 2), (3, 51, 3), (3, 100, 0)) for each in checks.sqlite(version)] == [
        "advice",
        "ok",
        "ok",
    ]
    states = [each.state for version in ((3, 11, 0), (3, 13, 9), (3, 20, 0)) for each in checks.python(version)]
    assert states == ["ok", "ok", "advice"]


def test_each_state_of_a_plugin_has_its_finding(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        Plugin("good", "riglog-good", "1.0"),
        Plugin("bad", "riglog-bad", "1.0", problem="import failed"),
        Plugin("torn", "?", "?"),
        Plugin("off", "riglog-off", "1", problem="disabled by RIGLOG_DISABLED_PLUGINS", disabled=True),
        Plugin("old", "riglog-old", "1", warning="uses a former name"),
    )
    monkeypatch.setattr(Registry, "plugins", listed)
    found = list(checks.plugins(registry))
    assert [each.state for each in found] == ["ok", "problem", "advice", "advice", "advice"]
    assert found[1].command == "pip install --force-reinstall riglog-bad"
    registry.drivers.clear()
    assert list(checks.plugins(registry))[-1].command == "pip install 'riglog[all]'"


RIG = """\
[run]
rate_hz = 2
duration = "{duration}"
[[sink]]
type = "sqlite"
path = "{folder}/a.sqlite"
[[sink]]
type = "csv"
path = "{folder}/a.csv"
[[device]]
name = "tank"
driver = "toy"
port = "sim:a"
[[device]]
name = "pipe"
driver = "toy"
port = "sim:b"
parameters = ["level"]
rate_hz = 10
"""


@pytest.mark.parametrize(
    ("free", "duration", "mounts", "states"),
    [
        (10**12, "1h", "", ["ok"]),
        (9 * 10**9, "1h", "", ["advice"]),
        (10**8, "1h", "", ["problem"]),
        (10**10, "200d", "", ["problem"]),
        (10**12, "1h", "22 27 0:21 / / rw - nfs4 server:/ rw", ["ok", "problem"]),
    ],
)
def test_the_disk_is_forecast_from_the_channels_and_rates_of_the_rig(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, duration: str, mounts: str,
    states: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(checks, "free_bytes", lambda path: free)
    rig = parse_rig(RIG.format(folder=tmp_path, duration=duration), tmp_path / "rig.toml", registry=registry)
    assert rows_per_day(rig).rows == (2 * 2 + 10) * 86_400
    found = list(checks.disks(rig, Linux(StandIn(files={"/proc/self/mountinfo": mounts}))))
    assert [each.state for each in found] == states
    assert f"{14 * 86_400:,} rows, 323 MB a day" in found[0].finding


def test_only_files_take_bytes(tmp_path: Path) -> None:
    assert bytes_per_row(MemorySink()) is None
    assert bytes_per_row(CsvSink(tmp_path / "a")) == 215
    assert bytes_per_row(SqliteSink(tmp_path / "a", profile="card")) == 56
    assert bytes_per_row(SqliteSink(tmp_path / "a")) == 52
    assert bytes_per_row(SqliteSink(tmp_path / "a", keep_bytes=False)) == 46


def test_every_platform_has_a_system() -> None:
    assert [type(this_system(name)) for name in ("linux", "darwin", "win32", "freebsd14")] == [
        Linux, MacOS, Windows, Linux
    ]  # fmt: skip


@pytest.mark.real_time
@pytest.mark.skipif(sys.platform == "win32", reason="folders without permission")
def test_the_command_prints_each_finding_and_its_exit_code(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages.cache_clear()
    results.cache_clear()
    monkeypatch.setenv("COLUMNS", "200")
    for place in ("riglog.plugin.installed", "riglog.config.rig.installed"):
        monkeypatch.setattr(place, lambda: registry)
    path = tmp_path / "rig.toml"
    path.write_text(RIG.format(folder=tmp_path / "missing", duration="1h"))
    wrong = CliRunner().invoke(cli, ["doctor", str(path), "--json"], standalone_mode=False)
    listed = json.loads(wrong.stdout)
    assert wrong.return_value == 1
    assert {"check": "disk", "state": "problem", "finding": f"{tmp_path}/missing: directory not found",
            "command": f"mkdir -p {tmp_path}/missing"} in listed  # fmt: skip
    assert [each["state"] for each in listed if each["check"] == "sink"] == ["problem", "problem"]
    path.write_text(RIG.format(folder=tmp_path, duration="1h").replace("sim:b", "/dev/riglog-no-such-port"))
    shown = CliRunner().invoke(cli, ["doctor", str(path)], standalone_mode=False)
    assert shown.return_value == 1
    assert "/dev/riglog-no-such-port: port not found" in shown.stdout
    assert "$ riglog ports" in shown.stdout
