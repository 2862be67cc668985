"""Loading the plugin: light, and complete."""

import subprocess
import sys
from pathlib import Path

import pytest

import riglog_watlow
from riglog.acquire import record
from riglog.config import load_rig
from riglog.errors import ConfigError
from riglog.manager import Manager
from riglog.plugin import load_plugins
from riglog.plugin.registry import Registry
from riglog.protocol import Connection
from riglog.protocol.modbus import connect_modbus
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_watlow.connect import context_for


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


def test_modbus_ports_are_shared_with_other_vendors_and_standard_bus_ports_are_not() -> None:
    one, other = riglog_watlow.WatlowDriver(), riglog_watlow.WatlowDriver()
    for protocol in ("modbus-rtu", "modbus-ascii", "modbus-tcp"):
        assert one.client_factory(Link(protocol=protocol)) is connect_modbus
    stdbus = Link(protocol="stdbus")
    assert one.client_factory(stdbus) == one.client_factory(stdbus)
    assert one.client_factory(stdbus) != other.client_factory(stdbus)


def test_a_client_of_another_protocol_is_a_programming_error() -> None:
    driver = riglog_watlow.WatlowDriver()
    link = Link(protocol="stdbus")
    client = driver.connect(Connection(SimulatedTransport(FaultyWire(SimulatedBus())), link, LoopClock()))
    config = riglog_watlow.WatlowConfig(name="oven", driver="watlow", port="sim:", protocol="modbus-rtu")
    with pytest.raises(TypeError, match="needs a ModbusClient"):
        driver.device(config, client, context_for(config, client.clock))


async def test_aliases_are_polled_recorded_and_set_under_the_name_of_the_table() -> None:
    async with Manager() as rig:
        oven = await rig.add("oven", "sim:alias", driver="watlow", parameters=["pv", "sp"])
        assert [channel.parameter for channel in oven.channels] == ["process_value", "setpoint"]
        (sample,) = await rig.poll(parameters=["SP[1]"])
        assert (sample.channel.parameter, sample.value) == ("setpoint", 75.0)
        written = await oven.set_parameter("sp", "80", confirm=True)
        assert written is not None
        assert written.channel.parameter == "setpoint"
        async with record(rig, rate_hz=10, duration=0.15, parameters=["pv"]) as run:
            names = {sample.channel.parameter async for batch in run for sample in batch}
        assert names == {"process_value"}
        with pytest.raises(ConfigError, match="no channel 'pvx', 'spx'"):
            await rig.poll(parameters=["pvx", "spx"])
        with pytest.raises(ConfigError, match="ambiguous"):
            await rig.poll(parameters=["display_units"])


async def test_several_unknown_parameters_are_one_error_with_notes_for_a_caller() -> None:
    async with Manager() as rig:
        with pytest.raises(ConfigError, match="'proces_value'") as caught:
            await rig.add("oven", "sim:x", driver="watlow", parameters=["proces_value", "setpont"])
    assert any("'setpont'" in note and "'setpoint'" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("parameters", "channel", "expected"),
    [
        ('["pv", "SP[2]"]', "oven.pv", "oven.process_value"),
        ('["pv", "SP[2]"]', "oven.sp[2]", "oven.setpoint[2]"),
        ('["pv"]', "oven.sp", "oven: alarm 1.channel: parameter 'sp' is not polled"),
        ('["pv"]', "oven.proces_value", "Did you mean 'process_value'? It polls: process_value. "),
        ('["pv"]', "oven.display_units", "ambiguous parameter name"),
        ('["4001"]', "oven.process_value", "oven.process_value"),
        ('["4001"]', "oven.pv", "oven.process_value"),
    ],
)
def test_an_alarm_watches_the_name_that_is_recorded(
    tmp_path: Path, parameters: str, channel: str, expected: str
) -> None:
    rig = tmp_path / "rig.toml"
    device = f'[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:a"\nparameters = {parameters}\n'
    rig.write_text(f'{device}[[alarm]]\nname = "hot"\nchannel = "{channel}"\nhigh = 90\n')
    try:
        found = [*load_rig(rig).alarms[0].channels]
    except ExceptionGroup as group:
        (error,) = group.exceptions
        assert isinstance(error, ConfigError)
        found = [f"{error} {error.hint}"]
    assert expected in found[0]


def test_an_alarm_on_a_default_parameter_needs_no_list(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    device = '[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:a"\n'
    rig.write_text(f'{device}[[alarm]]\nname = "hot"\nchannel = "oven.output_power"\nhigh = 90\n')
    assert load_rig(rig).alarms[0].channels == ("oven.output_power",)
