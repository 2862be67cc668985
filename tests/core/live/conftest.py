"""What the tests of the live page share: they leave no recording open."""

from collections.abc import Iterator

import pytest
from live_page import OPENED


@pytest.fixture(autouse=True)
def _closed_sources() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()
