"""A Modbus instrument of a file: blocks without holes, refusals, settings that change, writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riglog import Manager
from riglog.errors import ConfigError, ConfirmationError, DeviceError, UnsupportedError, WriteRefusedError
from riglog.instrument import problems_of
from riglog.model import Status
from riglog.protocol.modbus import IllegalDataAddressError
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.testing import LoopClock
from riglog_modbus.description import ModbusFormat
from riglog_modbus.simulator import ModbusSimulator

HEAD = 'format = 1\ndriver = "modbus"\ntitle = "Meter"\n[block.a.channel]\n'
Write = Callable[..., Path]


async def test_what_is_read_never_touches_a_register_that_the_file_does_not_have(
    write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    """Registers 0 to 4 and 9 are documented; 5 to 8 may have an effect when they are read."""
    path = write(
        HEAD
        + "".join(f"r{at} = {{ register = {at} }}\n" for at in (0, 1, 4, 9))
        + "m = { register = 2, count = 2, type = 'text', record = false }\n"
    )
    simulator = simulator_of(path)
    meter = instrument_on(simulator, path)
    await meter.open()
    for _ in range(20):
        assert [sample.status for sample in await meter.poll()] == [Status.OK] * 4
    assert simulator.server.reads == {(3, at) for at in (0, 1, 2, 3, 4, 9)}


async def test_a_block_that_is_refused_is_read_in_parts_and_only_the_refused_register_is_missing(
    write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    path = write(HEAD + "".join(f"r{at} = {{ register = {at}, simulate = {10 * at} }}\n" for at in range(4)))
    simulator = simulator_of(path)
    inner = simulator.server._content

    def without_two(function: int, start: int, count: int) -> list[int]:
        if start <= 2 < start + count:
            raise IllegalDataAddressError
        return inner(function, start, count)

    simulator.server._content = without_two
    meter = instrument_on(simulator, path)
    await meter.open()
    for _ in range(3):
        samples = await meter.poll()
        assert [sample.value for sample in samples] == [0, 10, None, 30]
        assert samples[2].status is Status.MISSING
        assert "register 2 refused" in str(samples[2].error)
    simulator.server._content = inner  # another model in its place
    await meter.reconnected()
    assert [sample.value for sample in await meter.poll()] == [0, 10, 20, 30]


async def test_an_instrument_that_refuses_everything_is_not_the_one_of_the_file(
    write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    path = write(HEAD + "x = { register = 5 }\n")
    other = write(HEAD + "y = { register = 9 }\n", "other.toml")
    meter = instrument_on(simulator_of(other), path)
    with pytest.raises(DeviceError, match="none of the quantities"):
        await meter.open()


UNITS = HEAD + (
    "t = { register = 0, scale = 0.1, unit_from = 'u', simulate = 20.5 }\n"
    "u = { register = 50, labels = { 0 = 'C', 1 = 'F' }, units = { C = 'degC', F = 'degF' }, record = false }\n"
)


class ChangesBetween(ModbusSimulator):
    """Changes the unit, and the number with it, after a number of requests."""

    changes_after = -1
    requests = 0

    def receive(self, data: bytes, now: float) -> bytes:
        reply = super().receive(data, now)
        self.requests += 1
        if self.requests == self.changes_after:
            self.set("u", "F")
            self.set("t", "68.9")
        return reply


@pytest.mark.parametrize("after", range(3, 12))
async def test_a_unit_in_another_register_that_changes_at_any_time_gives_no_wrong_row(
    after: int, write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    path = write(UNITS)
    simulator = simulator_of(path)
    simulator.__class__ = ChangesBetween
    simulator.changes_after = after
    meter = instrument_on(simulator, path)
    await meter.open()
    for _ in range(6):
        (sample,) = await meter.poll()
        assert (sample.value, sample.unit) in ((20.5, "degC"), (68.9, "degF"), (None, None), (None, "degC"))
    assert (sample.value, sample.unit) == (68.9, "degF")


async def test_a_unit_that_the_file_does_not_know_is_none(write: Write, simulator_of: Any, instrument_on: Any) -> None:
    path = write(UNITS)
    simulator = simulator_of(path)
    simulator.set("u", "raw:7")
    meter = instrument_on(simulator, path)
    await meter.open()
    (sample,) = await meter.poll()
    assert (sample.value, sample.unit, sample.status, sample.flags) == (20.5, None, Status.SUSPECT, ("unit_unknown",))


async def test_decimals_come_from_another_register(write: Write, simulator_of: Any, instrument_on: Any) -> None:
    path = write(HEAD + "p = { register = 0, decimals_from = 'd' }\nd = { register = 1, record = false }\n")
    simulator = simulator_of(path)
    simulator.set("p", "raw:1234")
    meter = instrument_on(simulator, path)
    await meter.open()
    for decimals, value in (("1", 123.4), ("3", 1.234), ("0", 1234.0)):
        simulator.set("d", decimals)
        for _ in range(2):  # new decimals count when two replies in a row state them
            (sample,) = await meter.poll()
        assert sample.value == value
    simulator.set("d", "raw:99")
    (sample,) = await meter.poll()
    assert (sample.value, sample.status) == (None, Status.MISSING)


STATES = HEAD + (
    "t = { register = 0, simulate = 20, status_from = ['s'] }\n"
    "s = { register = 50, record = false, flags = { 0 = 'alarm', 1 = 'broken' }, effect = { broken = 'no_value' } }\n"
)


class BreaksBetween(ModbusSimulator):
    """Its sensor breaks after a number of requests, and the number is wrong from then on."""

    breaks_after = -1
    requests = 0

    def receive(self, data: bytes, now: float) -> bytes:
        reply = super().receive(data, now)
        self.requests += 1
        if self.requests == self.breaks_after:
            self.set("s", "broken")
            self.set("t", "raw:9999")
        return reply


@pytest.mark.parametrize("after", range(3, 9))
async def test_a_fault_in_another_register_before_or_after_the_value_counts(
    after: int, write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    path = write(STATES)
    simulator = simulator_of(path)
    simulator.__class__ = BreaksBetween
    simulator.breaks_after = after
    meter = instrument_on(simulator, path)
    await meter.open()
    for _ in range(6):
        (sample,) = await meter.poll()
        assert sample.value in (20, None)
    assert (sample.value, sample.status, sample.flags) == (None, Status.FAULT, ("broken",))


WRITABLE = HEAD + (
    "sp = { register = 0, type = 'float32', unit = 'degC', simulate = 20,"
    " writable = { tier = 'persistent', min = 0, max = 100 } }\n"
    "power = { register = 4, scale = 0.1, simulate = 5, writable = { tier = 'stateful', min = 0, max = 100 } }\n"
    "mode = { register = 5, labels = { 0 = 'off', 1 = 'on' }, writable = { tier = 'dangerous' } }\n"
    "start = { register = 9, readable = false, record = false, writable = { tier = 'stateful' } }\n"
    "fixed = { register = 20 }\n"
)


async def test_values_are_written_once_with_confirmation_within_their_limits_and_read_back(
    write: Write, simulator_of: Any, instrument_on: Any
) -> None:
    path = write(WRITABLE)
    simulator = simulator_of(path)
    meter = instrument_on(simulator, path)
    written: list[str] = []
    meter.on_write = written.append
    await meter.open()
    for name, value, shown in (("sp", "75.1", 75.1), ("power", "12.3", 12.3), ("mode", "ON", 1)):
        with pytest.raises(ConfirmationError):
            await meter.set_parameter(name, value)
        sample = await meter.set_parameter(name, value, confirm=True)
        assert sample is not None
        assert sample.value == pytest.approx(shown, rel=1e-6)
    assert written == ["sp = 75.1 degC", "power = 12.3", "mode = ON"]
    assert await meter.set_parameter("start", "1", confirm=True) is None
    assert len(written) == 4
    await meter.set_parameter("sp", "75.1", confirm=True)  # it has this value already: not written again
    assert len(written) == 4
    for name, value in (
        ("sp", "100.1"),
        ("power", "0.05"),
        ("power", "-1"),
        ("mode", "2"),
        ("fixed", "1"),
        ("no", "1"),
    ):
        with pytest.raises(WriteRefusedError):
            await meter.set_parameter(name, value, confirm=True)
    assert len(written) == 4


async def test_without_a_quantity_that_can_be_set_nothing_can_be_set(write: Write, instrument_on: Any) -> None:
    meter = instrument_on(None, write(HEAD + "x = { register = 0 }\n"))
    with pytest.raises(UnsupportedError):
        await meter.set_parameter("x", "1", confirm=True)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("special = { 70000 = 'fault' }", "c.special.70000: code '70000' is outside of the type"),
        ("type = 'int16', special = { 0x8000 = 'fault' }", "c.special.0x8000: code '0x8000' is outside of the type"),
        ("special = { -1 = 'fault' }", "c.special.-1: code '-1' is outside of the type"),
        ("type = 'uint8', labels = { 256 = 'off' }", "c.labels.256: code '256' is outside of the type"),
        ("flags = { 16 = 'alarm' }", "c.flags.16: bit 16 is outside of the type"),
        ("special = { 7 = 'ok' }", "c.special.7: invalid value 'ok'; expected 'fault' or"),
        ("flags = { 1 = 5 }", "c.flags.1: invalid value 5; expected a string of 1 to 60 characters"),
        ("limits = [1, 2, 3]", "c.limits: invalid value [1, 2, 3]; expected a list of 2 values; each a number"),
        ("scale = 1e308", "c.scale: must be a finite number, and scale not 0"),
        ("simulate = 'hello'", "c.simulate: invalid value 'hello'"),
        ("function = 4, writable = { tier = 'stateful' }", "c.writable: function 4: input registers cannot be written"),
        ("type = 'uint32'", "line 10: block.v.channel.d.register: a part of it is also a part of c"),
    ],
)
def test_a_mistake_of_a_quantity_is_reported_by_its_cause(tmp_path: Path, keys: str, words: str) -> None:
    """A code that a register cannot have is never seen, and what it stands for would be recorded as a value."""
    path = tmp_path / "meter.toml"
    text = "format = 1\ndriver = 'modbus'\ntitle = 'Meter'\n[block.v]\nsource = 'x'\n[block.v.channel]\n\n\n"
    path.write_text(f"{text}c = {{ register = 1, {keys} }}\nd = {{ register = 2 }}\n")
    with pytest.raises(ExceptionGroup) as raised:
        ModbusFormat().load(str(path))
    (found,) = problems_of(raised.value)
    assert words in str(found)


def test_two_meanings_of_one_register_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    text = "format = 1\ndriver = 'modbus'\ntitle = 'Meter'\n[block.v]\nsource = 'x'\n[block.v.channel]\n"
    path.write_text(f"{text}code = {{ register = 1 }}\nstate = {{ register = 1, flags = {{ 15 = 'alarm' }} }}\n")
    assert len(ModbusFormat().load(str(path)).quantities) == 2


def test_parameters_of_the_rig_file_are_quantities_of_the_file(write: Write, instrument_on: Any) -> None:
    path = write(WRITABLE)
    assert [channel.parameter for channel in instrument_on(None, path, parameters=("mode", "sp")).channels] == [
        "mode",
        "sp",
    ]
    with pytest.raises(ConfigError, match="'powr' unknown"):
        instrument_on(None, path, parameters=("powr",))
    with pytest.raises(ConfigError, match="named twice"):
        instrument_on(None, path, parameters=("sp", "sp"))
    with pytest.raises(ConfigError, match="cannot be read"):
        instrument_on(None, path, parameters=("start",))


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii", "modbus-tcp"])
async def test_two_instruments_of_different_files_share_a_line(protocol: str, write: Write, simulator_of: Any) -> None:
    first, second = write(HEAD + "x = { register = 0, simulate = 7 }\n"), write(WRITABLE, "b.toml")
    bus = SimulatedBus(
        [simulator_of(first, address=1, protocol=protocol), simulator_of(second, address=2, protocol=protocol)]
    )
    async with Manager(clock=LoopClock()) as rig:
        transport = SimulatedTransport(FaultyWire(bus))
        for name, path, address in (("a", first, 1), ("b", second, 2)):
            await rig.add(name, transport, driver="modbus", instrument=str(path), address=address, protocol=protocol)
        samples = await rig.poll()
    assert {sample.device for sample in samples if sample.value is not None} == {"a", "b"}
    assert next(sample.value for sample in samples if sample.device == "a") == 7
