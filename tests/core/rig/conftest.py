"""Ports are opened at once: in virtual time the time limit of a thread is over before the thread has begun."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _ports_open_without_a_thread(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened(port: str, open_: Callable[[], Any], shown: str) -> Any:
        return open_()

    if request.node.get_closest_marker("real_time") is None:
        monkeypatch.setattr("riglog.transport.serial._open_in_thread", opened)
