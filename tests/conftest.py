"""Every async test runs on asyncio and on trio, in virtual time unless it is marked ``real_time``.

The fast run, ``pytest -m "not real_time and not slow"``, leaves out the repetition on trio.
"""

from typing import Any

import pytest

from riglog.testing import virtual_backend


@pytest.fixture(params=["asyncio", pytest.param("trio", marks=pytest.mark.slow)])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.node.get_closest_marker("real_time"):
        return request.param, {}
    return virtual_backend(request.param)
