"""Every async test runs on asyncio and on trio, in virtual time unless it is marked ``real_time``."""

from typing import Any

import pytest

from riglog.testing import virtual_backend


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.node.get_closest_marker("real_time"):
        return request.param, {}
    return virtual_backend(request.param)
