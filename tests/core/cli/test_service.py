"""What a service manager is told: ready, alive, stopping; and nothing where there is none."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from riglog.cli.service import ServiceManager

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets")


@pytest.fixture
def manager() -> Iterator[tuple[socket.socket, str]]:
    """The socket of a service manager, and its address. The path must be short."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        address = str(Path(folder) / "notify")
        datagrams.bind(address)
        datagrams.setblocking(False)
        yield datagrams, address


def received(datagrams: socket.socket) -> list[list[str]]:
    found: list[list[str]] = []
    while True:
        try:
            found.append(datagrams.recv(4096).decode().splitlines())
        except BlockingIOError:
            return found


async def test_it_is_ready_and_then_alive_twice_within_the_time_of_the_watchdog(
    manager: tuple[socket.socket, str],
) -> None:
    datagrams, address = manager
    service = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4000000"})
    with anyio.move_on_after(9):
        await service.keep_alive(lambda: "3 rows")
    service.stopping()
    alive = ["WATCHDOG=1", "STATUS=3 rows"]
    assert received(datagrams) == [["READY=1", "STATUS=3 rows"], *[alive] * 4, ["STOPPING=1"]]


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}])
async def test_without_a_watchdog_for_this_process_the_status_is_sent_seldom(
    manager: tuple[socket.socket, str], watchdog: dict[str, str]
) -> None:
    datagrams, address = manager
    with anyio.move_on_after(25):
        await ServiceManager({"NOTIFY_SOCKET": address, **watchdog}).keep_alive(lambda: "3 rows")
    assert len(received(datagrams)) == 3


async def test_the_watchdog_of_this_process_is_served(manager: tuple[socket.socket, str]) -> None:
    datagrams, address = manager
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
    with anyio.move_on_after(5):
        await ServiceManager(environment).keep_alive(lambda: "")
    assert len(received(datagrams)) == 3


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
async def test_without_a_service_manager_nothing_is_sent(environment: dict[str, str]) -> None:
    with anyio.fail_after(1):
        await ServiceManager(environment).keep_alive(lambda: pytest.fail("called"))


async def test_a_service_manager_that_takes_nothing_ends_nothing(manager: tuple[socket.socket, str]) -> None:
    datagrams, address = manager
    service = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"})
    with anyio.move_on_after(100):  # 2000 datagrams, and nobody takes one
        await service.keep_alive(lambda: "3 rows")
    assert received(datagrams)[0] == ["READY=1", "STATUS=3 rows"]
    datagrams.close()
    service.stopping()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has addresses without a file")
async def test_an_abstract_address_is_used() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(f"\0riglog-{os.getpid()}")
        datagrams.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@riglog-{os.getpid()}"}).stopping()
        assert received(datagrams) == [["STOPPING=1"]]
