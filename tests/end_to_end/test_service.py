"""A recording as a service: the manager is a stand-in that speaks the protocol of systemd and restarts what ends."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from processes import running
from terminal import rig, simulated

from riglog import read

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_time,
    pytest.mark.skipif(os.name == "nt", reason="needs Unix sockets and POSIX signals"),
]

OVEN: dict[str, Any] = {"name": "oven", "driver": "watlow", "protocol": "stdbus", "port": "sim:oven"}
WATCHDOG_SECONDS = 2.0


class StandIn:
    """Starts a program as ``Type=notify`` with a watchdog, and receives its notes."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._command = command
        self._address = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self._socket.settimeout(30)
        self._programs = ExitStack()

    def start(self) -> subprocess.Popen[str]:
        """Start the program with standard input closed, as in a container, and wait until it is ready."""
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self._address),
            "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1e6)),
        }
        command = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *self._command]
        program = running(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        process = self._programs.enter_context(program)
        assert "READY=1" in self.note()
        return process

    def note(self) -> list[str]:
        return self._socket.recv(4096).decode().splitlines()

    def wait_for(self, line: str) -> None:
        while line not in self.note():
            pass

    def discard_notes(self) -> None:
        """Discard what a process sent that has ended."""
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.note()
        self._socket.settimeout(30)

    def supervise(self, seconds: float) -> None:
        """Let the program run; it must be alive in each watchdog interval."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            assert self.note()[0] == "WATCHDOG=1"
            assert time.monotonic() - began < WATCHDOG_SECONDS

    def close(self) -> None:
        self._programs.close()
        self._socket.close()


@contextmanager
def service(command: list[str]) -> Iterator[StandIn]:
    with tempfile.TemporaryDirectory() as folder:  # a short path: that of a socket is limited
        stand_in = StandIn(Path(folder), command)
        try:
            yield stand_in
        finally:
            stand_in.close()


def test_a_service_that_is_killed_and_restarted_has_one_run_and_no_slot_twice(tmp_path: Path) -> None:
    out = tmp_path / "kiln.sqlite"
    path = rig(tmp_path, OVEN, rate_hz=10, name="kiln")
    command = [sys.executable, "-m", "riglog", "record", str(path), "--out", str(out), "--resume"]
    with service(command) as manager:
        process = manager.start()
        manager.supervise(3)
        process.kill()
        process.communicate(timeout=10)
        assert process.returncode == -signal.SIGKILL
        manager.discard_notes()
        process = manager.start()
        manager.supervise(2)
        process.terminate()
        manager.wait_for("STOPPING=1")
        _, messages = process.communicate(timeout=20)
        assert process.returncode == 143, messages
    rows = [row for row in read(out) if row.parameter == "process_value"]
    assert len({row.run for row in rows}) == 1
    ticks = [row.tick or 0 for row in rows]
    assert ticks == sorted(set(ticks))  # none twice
    jumps = [(before, after) for before, after in pairwise(ticks) if after != before + 1]
    ((before, after),) = jumps  # one gap: from the kill to the restart
    assert before >= 15
    assert ticks[-1] - after >= 15


def test_an_instrument_that_is_switched_on_later_is_taken_in(tmp_path: Path) -> None:
    """On pseudo-terminals: one of two instruments is there at the start, the port of the other does not exist yet."""
    out = tmp_path / "kiln.sqlite"
    there, later = ({"name": name, "driver": "watlow", "port": str(tmp_path / name)} for name in ("there", "later"))
    with simulated("watlow", "--link", tmp_path / "there"):
        path = rig(tmp_path, there, later, rate_hz=5, name="kiln")
        command = [sys.executable, "-m", "riglog", "record", str(path), "--out", str(out)]
        with service(command) as manager:
            process = manager.start()
            manager.supervise(2)
            with simulated("watlow", "--link", tmp_path / "later"):
                manager.supervise(4)
                process.terminate()
                _, messages = process.communicate(timeout=20)
    assert process.returncode == 143
    assert f"device_absent {tmp_path}/later later: absent, opened when it responds: port not found" in messages
    assert "device_present" in messages
    rows = [row for row in read(out) if row.parameter == "process_value"]
    slots = {device: [row for row in rows if row.device == device] for device in ("there", "later")}
    assert [row.tick for row in slots["there"]] == [row.tick for row in slots["later"]]
    states = [row.status for row in slots["later"]]
    first = states.index("ok")
    assert states[:first] == ["skipped"] * first
    assert first >= 8
    assert {row.status for row in slots["there"]} == {"ok"}
