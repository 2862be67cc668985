"""What tests of the core share: a registry with the toy driver."""

import pytest
from toy import ToyDriver

from riglog.plugin import Registry, builtin, load_plugins


@pytest.fixture
def toy() -> ToyDriver:
    return ToyDriver()


@pytest.fixture
def registry(toy: ToyDriver) -> Registry:
    registry = Registry(load_plugins([], builtin=[builtin]))
    registry.drivers["toy"] = toy
    return registry
