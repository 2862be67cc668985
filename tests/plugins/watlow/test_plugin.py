"""Loading the plugin: light, and complete."""

import subprocess
import sys

import riglog_watlow
from riglog.plugin import load_plugins
from riglog.plugin.registry import Registry


def test_the_plugin_is_found_and_works() -> None:
    loaded = load_plugins()
    assert [plugin.problem for plugin in loaded.plugins if plugin.name == "watlow"] == [None]
    driver = Registry(loaded).driver("watlow")
    assert driver.protocols == ("stdbus", "modbus-rtu", "modbus-ascii", "modbus-tcp")
    assert driver.summary


def test_loading_the_plugin_loads_nothing_of_it() -> None:
    code = "import sys, riglog_watlow.plugin; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in names if name.startswith("riglog_watlow")} == {"riglog_watlow", "riglog_watlow.plugin"}


def test_every_public_name_can_be_imported() -> None:
    assert sorted(riglog_watlow.__all__) == riglog_watlow.__all__
    for name in riglog_watlow.__all__:
        assert getattr(riglog_watlow, name).__name__ == name


def test_every_demo_table_is_valid() -> None:
    driver = riglog_watlow.WatlowDriver()
    for table in driver.demo():
        config = riglog_watlow.WatlowConfig(**table)
        driver.check(config)
        assert driver.transactions(config)
