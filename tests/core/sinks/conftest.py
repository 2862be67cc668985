"""One PostgreSQL server for all tests here, a schema for each."""

from collections.abc import Iterator

import postgres
import pytest


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The address of an empty database."""
    with postgres.server() as url:
        yield url


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    """The name of a schema that no other test uses."""
    return f"test_{abs(hash(request.node.nodeid)) % 10**12}"
