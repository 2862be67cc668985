"""An environment of its own for every test of plugins."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from plugin_site import PREFIX, VENDORS, PluginSite

from riglog.plugin import Registry, builtin, installed, load_plugins
from riglog.plugin.loader import DISABLED

Load = Callable[..., Registry]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginSite]:
    """Where the test installs plugins; those of this repository are disabled."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv(DISABLED, VENDORS)
    installed.cache_clear()
    yield PluginSite(path)
    installed.cache_clear()
    for module in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[module]


@pytest.fixture
def load(site: PluginSite) -> Load:
    """Install plugins, given as ``name=source``, and load everything that is installed."""

    def install_and_load(**sources: str) -> Registry:
        for name, source in sources.items():
            site.install(name, source)
        return Registry(load_plugins(builtin=(builtin,)))

    return install_and_load
