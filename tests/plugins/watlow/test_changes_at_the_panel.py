"""A setting changed at the panel, or a sensor that fails, at any point of any poll: no wrong value is ``ok``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import anyio
import pytest

from riglog.acquire import record
from riglog.errors import ConfigError, UnsupportedError
from riglog.manager import Manager
from riglog.model import Sample, Status
from riglog.model.units import DEG_C, DEG_F, celsius_to_fahrenheit
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.testing import LoopClock
from riglog_watlow import WatlowConfig
from riglog_watlow.errors import SetupChangedError
from riglog_watlow.simulator import ModbusSimulator, StdBusSimulator, simulator

MakeBench = Callable[..., Any]
Peer = ModbusSimulator | StdBusSimulator

TEMPERATURE = 150.0
TOLERANCE = 3.0
"""Far less than the difference between a right value and one in another unit, layout or number of decimal places."""

POINTS = 14
"""Requests after which something is changed: those of more than one poll, with its checks."""

WIRES: dict[str, dict[str, Any]] = {
    "stdbus": {"protocol": "stdbus"},
    "pm-map-1": {"protocol": "modbus-rtu"},
    "pm-map-2": {"protocol": "modbus-rtu", "register_map": 2},
    "pm-high-low": {"protocol": "modbus-tcp", "word_order": "high-low"},
    "sd": {"protocol": "modbus-rtu", "family": "sd"},
    "f4p": {"protocol": "modbus-ascii", "family": "f4p"},
}
LEARNT = ("register_map", "word_order")

CHANGES: dict[str, dict[str, str]] = {
    "stdbus": {"sensor_type": "milliamps dc", "alarm_type": "deviation alarm", "input_error": "open"},
    "pm-map-1": {
        "comm_units": "C",
        "modbus_word_order": "high_low",
        "sensor_type": "milliamps dc",
        "alarm_type": "deviation alarm",
        "input_error": "open",
    },
    "pm-map-2": {"comm_units": "C", "modbus_word_order": "high_low"},
    "pm-high-low": {"modbus_word_order": "low_high"},
    "sd": {"units": "C", "input_error": "Error"},
    "f4p": {"units": "C", "input_1_decimal": "2", "input_1_units": "Units", "input_error": "open loop"},
}
CASES = [(wire, name) for wire, names in CHANGES.items() for name in names]
INPUT_TYPES = ("sensor_type", "input_1_units")


def peer_on(wire: str) -> Peer:
    """Return a controller whose oven is at its set point, so that every value is known."""
    peer = simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **WIRES[wire]))
    assert isinstance(peer, ModbusSimulator | StdBusSimulator)
    peer.set("setpoint", str(TEMPERATURE))
    if "auto_manual" in peer.controller.registry:
        peer.set("auto_manual", "Auto")
    peer.controller.ovens[1].temperature = TEMPERATURE
    return peer


def settings_of(wire: str, peer: Peer, **settings: Any) -> dict[str, Any]:
    """Return the configuration of a controller that has to detect its layout."""
    polled = ["process_value", "setpoint", "output_power"]
    if "alarm_high_setpoint" in peer.controller.registry:
        polled.append("alarm_high_setpoint")
    learns = {key: value for key, value in WIRES[wire].items() if key not in LEARNT}
    return learns | {"parameters": tuple(polled)} | settings


def is_right(sample: Sample, peer: Peer) -> bool:
    """Return whether a value is the true one, in a unit that it can have."""
    truth = peer.controller.truth(sample.channel, sample.unit if sample.unit in (DEG_C, DEG_F) else DEG_F)
    is_temperature = sample.parameter != "output_power"
    has_unit = peer.controller.is_process_signal() or not is_temperature or sample.unit in (DEG_C, DEG_F)
    return truth is not None and has_unit and sample.value == pytest.approx(truth, abs=TOLERANCE)


class Seen:
    """The rows of a controller, judged when each poll ends and by what was true when it began."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.polls: list[Sequence[Sample]] = []
        self.wrong: list[Sample] = []
        self.truths: list[list[float | None]] = []

    def judge(self, samples: Sequence[Sample], before: Sequence[float | None]) -> None:
        self.polls.append(samples)
        for sample, earlier in zip(samples, before, strict=True):
            if sample.status is Status.OK and not is_right(sample, self.peer):
                in_degf = celsius_to_fahrenheit(sample.value) if sample.unit == DEG_C else sample.value
                if sample.unit is None or in_degf != pytest.approx(earlier, abs=TOLERANCE):
                    self.wrong.append(sample)


async def watched(
    rig: Any, peer: Peer, settings: dict[str, Any], name: str, text: str, point: int, polls: int = 8
) -> Seen:
    """Poll a controller on which something is changed between two requests."""
    oven = rig.controller(**settings)
    await oven.open()
    seen = Seen(peer)
    for poll in range(polls):
        if poll == 2:
            peer.controller.panel.after(point, lambda: peer.set(name, text))
        before = [peer.controller.truth(channel) for channel in oven.channels]
        seen.judge(await oven.poll(), before)
        await anyio.sleep(0.5)
    return seen


@pytest.mark.parametrize(("wire", "name"), [case for case in CASES if case[1] not in INPUT_TYPES])
async def test_a_change_between_any_two_requests_gives_no_wrong_value(wire: str, name: str, bench: MakeBench) -> None:
    for point in range(POINTS):
        peer = peer_on(wire)
        settings = settings_of(wire, peer, temperature_unit=(None, "degC")[point % 2])
        seen = await watched(bench(peer), peer, settings, name, CHANGES[wire][name], point)
        assert seen.wrong == [], point
        last = [sample for sample in seen.polls[-1] if sample.parameter != "process_value" or name != "input_error"]
        assert {sample.status for sample in last} == {Status.OK}, point


@pytest.mark.parametrize("name", ["comm_units", "modbus_word_order"])
async def test_the_new_setting_is_used_in_the_same_poll(name: str, bench: MakeBench) -> None:
    """However long ago the last check was, and with no poll in between."""
    for pause in (0.1, 0.5, 30.0):
        peer = peer_on("pm-map-1")
        oven = bench(peer).controller(**settings_of("pm-map-1", peer))
        await oven.open()
        for _ in range(3):
            await oven.poll()
            await anyio.sleep(pause)
        peer.set(name, CHANGES["pm-map-1"][name])
        samples = await oven.poll()
        assert [sample.status for sample in samples] == [Status.OK] * 4
        assert all(is_right(sample, peer) for sample in samples)


@pytest.mark.parametrize(("wire", "name"), [case for case in CASES if case[1] in INPUT_TYPES])
async def test_an_input_that_no_longer_measures_a_temperature_is_noticed(
    wire: str, name: str, bench: MakeBench
) -> None:
    """A process value jumps, and the kind of the input is read at once. A set point does not: it takes a second."""
    for point in range(POINTS):
        peer = peer_on(wire)
        seen = await watched(bench(peer), peer, settings_of(wire, peer), name, CHANGES[wire][name], point, polls=12)
        assert not [sample for sample in seen.wrong if sample.parameter == "process_value"], point
        assert all(sample.unit in (None, "%") for polled in seen.polls[-4:] for sample in polled), point


@pytest.mark.parametrize("name", ["comm_units", "modbus_word_order"])
@pytest.mark.parametrize("period", [0.1, 1.0, 7.0])
async def test_a_change_is_noticed_at_any_rate(name: str, period: float, bench: MakeBench) -> None:
    peer = peer_on("pm-map-1")
    oven = bench(peer).controller(**settings_of("pm-map-1", peer))
    await oven.open()
    for index in range(30):
        if index % 7 == 5:
            peer.set(name, ("C", "F")[index % 2] if name == "comm_units" else ("high_low", "low_high")[index % 2])
        samples = await oven.poll()
        assert all(is_right(sample, peer) for sample in samples)
        assert [sample.status for sample in samples] == [Status.OK] * 4
        await anyio.sleep(period)


async def test_another_register_map_is_found_at_once(bench: MakeBench) -> None:
    for point in range(POINTS):
        peer = peer_on("pm-map-1")
        assert isinstance(peer, ModbusSimulator)
        oven = bench(peer).controller(**settings_of("pm-map-1", peer))
        await oven.open()
        for poll in range(6):
            if poll == 2:
                peer.controller.panel.after(point, lambda peer=peer: peer.server.use_map(2))
            samples = await oven.poll()
            assert all(is_right(sample, peer) for sample in samples if sample.status is Status.OK), point
            await anyio.sleep(0.5)
        assert oven.protocol.setup.register_map == 2
        assert [sample.status for sample in samples] == [Status.OK] * 4, point


SETUP_POINTS = 26
"""Requests after which something is changed: those of a set-up that is read twice, and of the first poll."""

SETUP_CHANGES: dict[str, Callable[[Any], None]] = {
    "word order": lambda peer: peer.set("modbus_word_order", "high_low"),
    "register map": lambda peer: peer.server.use_map(2),
    "unit": lambda peer: peer.set("comm_units", "C"),
}


@pytest.mark.parametrize(
    ("changed", "reads"),
    [
        *((changed, reads) for changed in SETUP_CHANGES for reads in ("open", "reconnected")),
        *((changed, "poll") for changed in SETUP_CHANGES if changed != "register map"),  # not there and back at once
    ],
)
async def test_a_change_while_the_set_up_is_read_gives_no_wrong_value(
    changed: str, reads: str, bench: MakeBench
) -> None:
    for point in range(SETUP_POINTS):
        peer = peer_on("pm-map-2" if reads == "poll" else "pm-map-1")
        oven = bench(peer).controller(**settings_of("pm-map-1", peer))
        if reads != "open":
            await oven.open()
            await oven.poll()
            await anyio.sleep(0.5)
        if reads == "poll":
            peer.server.use_map(1)  # type: ignore[union-attr]  # so that the poll reads the set-up again
        peer.controller.panel.after(point, partial(SETUP_CHANGES[changed], peer))
        before = [peer.controller.truth(channel) for channel in oven.channels]
        seen = Seen(peer)
        seen.judge((await getattr(oven, reads)()) or (), before if reads == "poll" else ())
        for _ in range(6):
            before = [peer.controller.truth(channel) for channel in oven.channels]
            seen.judge(await oven.poll(), before)
            await anyio.sleep(0.5)
        assert seen.wrong == [], point
        assert [sample.status for sample in seen.polls[-1]] == [Status.OK] * 4, point


@pytest.mark.parametrize("changed", list(SETUP_CHANGES))
async def test_a_set_up_that_was_not_read_to_its_end_proves_nothing(changed: str, bench: MakeBench) -> None:
    """It is read again before any value is."""
    for point in range(SETUP_POINTS):
        peer = peer_on("pm-map-1")
        oven = bench(peer).controller(**settings_of("pm-map-1", peer))
        await oven.open()
        await oven.poll()
        await anyio.sleep(0.5)
        with anyio.CancelScope() as scope:
            peer.controller.panel.after(point, partial(SETUP_CHANGES[changed], peer))
            peer.controller.panel.after(point, scope.cancel)
            await oven.reconnected()
            await anyio.sleep(0.1)
        (sample,) = await oven.read_parameters(["setpoint"])
        assert is_right(sample, peer) or sample.value is None, point
        for _ in range(5):
            samples = await oven.poll()
            assert all(is_right(sample, peer) for sample in samples if sample.status is Status.OK), point
            await anyio.sleep(0.5)
        assert [sample.status for sample in samples] == [Status.OK] * 4, point


@pytest.mark.parametrize("port", [1, 2])
async def test_a_set_up_that_contradicts_itself_for_good_gives_no_values(port: int, bench: MakeBench) -> None:
    """The setting of another port of the controller does not: both stay as they are, and the hardware id is right."""
    peer = peer_on("pm-map-1")
    settings = settings_of("pm-map-1", peer)
    if port == 2:
        peer.set("modbus_word_order[2]", "high_low")
        oven = bench(peer).controller(**settings, comm_port=2)
        await oven.open()
        assert all(is_right(sample, peer) for sample in await oven.poll())
        return
    oven = bench(peer).controller(**settings)
    for request in range(0, 200, 2):
        text = ("low_high", "high_low")[request // 2 % 2]
        peer.controller.panel.after(request, partial(peer.set, "modbus_word_order", text))
    with pytest.raises(SetupChangedError, match="word order and register map of the controller contradict each other"):
        await oven.open()


@pytest.mark.parametrize(("setting", "code"), [("comm_units", 77), ("sensor_type", 9999)])
async def test_a_setting_with_nonsense_gives_suspect_values_without_a_unit(
    setting: str, code: int, bench: MakeBench
) -> None:
    peer = peer_on("pm-map-1")
    oven = bench(peer).controller(**settings_of("pm-map-1", peer, temperature_unit="degC"))
    await oven.open()
    await oven.poll()
    target = next(one for one in peer.controller.values if str(one) == setting)
    peer.controller.values[target] = code
    await anyio.sleep(1.0)
    for _ in range(3):
        pv, setpoint, power, _ = await oven.poll()
        assert (pv.status, pv.unit, pv.flags) == (Status.SUSPECT, None, ("unit_unknown",))
        assert (setpoint.status, setpoint.value, setpoint.unit) == (Status.SUSPECT, TEMPERATURE, None)
        assert (power.status, power.unit) == (Status.OK, "%")
        await anyio.sleep(0.5)
    peer.set(setting, "F" if setting == "comm_units" else "thermocouple")
    assert {sample.status for sample in await oven.poll()} == {Status.OK}


@pytest.mark.parametrize("wire", list(WIRES))
async def test_a_sensor_that_fails_and_recovers_at_any_point_gives_no_wrong_value(wire: str, bench: MakeBench) -> None:
    for start in range(6):
        for length in (1, 2, 4):
            peer = peer_on(wire)
            oven = bench(peer).controller(**settings_of(wire, peer, parameters=("process_value", "setpoint")))
            await oven.open()
            await oven.poll()
            await anyio.sleep(0.5)
            error = CHANGES[wire].get("input_error", "open")
            peer.controller.panel.after(start, lambda peer=peer, error=error: peer.set("input_error", error))
            peer.controller.panel.after(start + length, lambda peer=peer: peer.set("input_error", "None"))
            for _ in range(5):
                measured, setpoint = await oven.poll()
                assert measured.value is None or measured.value == pytest.approx(TEMPERATURE, abs=TOLERANCE)
                assert (measured.status is Status.OK) == (measured.value is not None)
                assert setpoint.status is Status.OK
                await anyio.sleep(0.5)


async def test_while_a_sensor_is_broken_its_error_is_read_and_nothing_else(bench: MakeBench) -> None:
    rig = bench()
    oven = rig.controller(parameters=("process_value",))
    await oven.open()
    await oven.poll()
    rig.simulators[0].set("input_error", "open")
    await oven.poll()
    before = rig.client.counters.requests
    (sample,) = await oven.poll()
    assert (sample.status, sample.flags, sample.value) == (Status.FAULT, ("open",), None)
    assert rig.client.counters.requests - before == 1


async def test_a_word_order_that_is_changed_while_recording_gives_no_wrong_number() -> None:
    peer = peer_on("pm-map-1")
    peer.controller.schedule(5.0, "modbus_word_order", "high_low")
    clock = LoopClock()
    rows: list[Sample] = []
    async with Manager(clock=clock) as rig:
        polled = ["process_value", "setpoint", "output_power"]
        transport = SimulatedTransport(FaultyWire(peer))
        await rig.add("oven", transport, driver="watlow", protocol="modbus-rtu", parameters=polled)
        async with record(rig, rate_hz=2, duration=15, clock=clock) as run:
            async for batch in run.stream:
                rows += batch.samples
    assert peer.controller.label("modbus_word_order") == "High_Low"
    assert len(rows) == 90
    assert {row.status for row in rows} == {Status.OK}
    measured = [row.value for row in rows if row.parameter in ("process_value", "setpoint")]
    assert measured == [pytest.approx(TEMPERATURE, abs=TOLERANCE)] * 60


async def jumps(rig: Any, **settings: Any) -> int:
    """Return the requests of a poll in which a process value jumps, half a second after the one before."""
    oven = rig.controller(parameters=("process_value",), **settings)
    await oven.open()
    for _ in range(3):
        await oven.poll()
        await anyio.sleep(0.25)
    rig.simulators[0].controller.ovens[1].temperature += 100
    before = rig.client.counters.requests
    (sample,) = await oven.poll()
    assert (sample.status, sample.value) == (Status.OK, pytest.approx(172, abs=TOLERANCE))
    return rig.client.counters.requests - before  # type: ignore[no-any-return]


async def test_a_latched_error_needs_no_second_reading_of_a_value_that_jumped(bench: MakeBench) -> None:
    latching = StdBusSimulator()
    latching.set("input_error_latching", "On")
    assert await jumps(bench(StdBusSimulator())) == 5  # value, error, value, error, kind of the input
    assert await jumps(bench(latching), input_check=1) == 4  # value, error, kind of the input, latching


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"input_check": 0.5}, UnsupportedError),
        ({"input_check": 0.5, "family": "sd", "protocol": "modbus-rtu"}, ConfigError),
    ],
)
async def test_a_longer_check_is_refused_where_an_error_can_come_and_go(
    settings: dict[str, Any], error: type[Exception], bench: MakeBench
) -> None:
    with pytest.raises(error, match=r"input_check above 0\.1 s proves nothing"):
        await bench().controller(**settings).open()
    await bench().controller(input_check=0.05).open()
    await bench().controller(input_check="every").open()


async def test_a_latch_that_is_switched_off_later_proves_nothing_any_more(bench: MakeBench) -> None:
    peer = StdBusSimulator()
    peer.set("input_error_latching", "On")
    rig = bench(peer)
    oven = rig.controller(parameters=("process_value",), input_check=1.0)
    await oven.open()
    peer.set("input_error_latching", "Off")
    for _ in range(3):
        await oven.poll()
        await anyio.sleep(0.5)
    peer.controller.ovens[1].temperature += 100
    before = rig.client.counters.requests
    await oven.poll()
    assert rig.client.counters.requests - before >= 5


@pytest.mark.parametrize("name", ["comm_units", "modbus_word_order"])
async def test_a_change_together_with_a_real_jump_gives_no_wrong_value(name: str, bench: MakeBench) -> None:
    """Neither interpretation continues the last value: what is read again must not confirm itself."""
    for point in range(POINTS):
        peer = peer_on("pm-map-1")
        oven = bench(peer).controller(**settings_of("pm-map-1", peer))
        await oven.open()

        def change(peer: Peer = peer) -> None:
            peer.set(name, CHANGES["pm-map-1"][name])
            peer.set("setpoint", "450")
            peer.controller.ovens[1].temperature = 450.0

        for poll in range(8):
            if poll == 2:
                peer.controller.panel.after(point, change)
            before = [peer.controller.truth(channel) for channel in oven.channels]
            for sample, earlier in zip(await oven.poll(), before, strict=True):
                in_degf = celsius_to_fahrenheit(sample.value) if sample.unit == DEG_C else sample.value
                is_old = in_degf == pytest.approx(earlier, abs=TOLERANCE)
                assert is_old or is_right(sample, peer) or sample.parameter == "output_power", (point, sample)
                assert sample.status is Status.OK
            await anyio.sleep(0.5)


@pytest.mark.parametrize("name", ["comm_units", "modbus_word_order"])
async def test_one_call_is_as_proven_as_a_poll(name: str, bench: MakeBench) -> None:
    for point in range(POINTS):
        peer = peer_on("pm-map-1")
        oven = bench(peer).controller(**settings_of("pm-map-1", peer))
        await oven.open()
        await oven.poll()
        await anyio.sleep(60)
        peer.controller.panel.after(point, lambda peer=peer: peer.set(name, CHANGES["pm-map-1"][name]))
        for _ in range(4):
            one = await oven.read_setpoint()
            several = await oven.read_parameters(["process_value", "setpoint", "alarm_high_setpoint"])
            assert all(
                in_degf == pytest.approx(true, abs=TOLERANCE) for in_degf, true in compared([one, *several], peer)
            )


def compared(samples: Sequence[Sample], peer: Peer) -> list[tuple[float, float | None]]:
    """Return each value in degF, and the true one."""
    return [
        (celsius_to_fahrenheit(one.value) if one.unit == DEG_C else one.value, peer.controller.truth(one.channel))  # type: ignore[arg-type,misc]
        for one in samples
    ]


async def test_two_inputs_are_checked_independently(bench: MakeBench) -> None:
    for point in range(2 * POINTS):
        settings = {"protocol": "modbus-rtu", "instances": (1, 2)}
        peer = simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **settings))
        assert isinstance(peer, ModbusSimulator)
        for instance, temperature in ((1, 150.0), (2, 300.0)):
            peer.set(f"setpoint[{instance}]", str(temperature))
            peer.controller.ovens[instance].temperature = temperature
        oven = bench(peer).controller(parameters=("process_value", "setpoint"), **settings)
        await oven.open()
        for poll in range(7):
            if poll == 2:
                peer.controller.panel.after(point, lambda peer=peer: peer.set("input_error[2]", "open"))
                peer.controller.panel.after(point + 2, lambda peer=peer: peer.set("comm_units", "C"))
            rows = [one for one in await oven.poll() if one.value is not None]
            expected = [{1: 150.0, 2: 300.0}[one.instance] for one in rows]
            assert [in_degf for in_degf, _ in compared(rows, peer)] == pytest.approx(expected, abs=TOLERANCE), point
            await anyio.sleep(0.5)


async def test_a_jump_over_a_slow_line_is_confirmed_by_what_is_read_next(bench: MakeBench) -> None:
    """The two checks are further apart than one conversion of the input."""
    peer = StdBusSimulator()
    oven = bench(peer).controller(parameters=("process_value",))
    await oven.open()
    await oven.poll()
    peer.latency = 0.08
    await anyio.sleep(0.2)
    peer.controller.ovens[1].temperature += 100
    (sample,) = await oven.poll()
    assert (sample.status, sample.value) == (Status.OK, pytest.approx(172, abs=TOLERANCE))


async def test_a_value_that_cannot_be_proven_is_suspect(bench: MakeBench) -> None:
    peer = StdBusSimulator()
    oven = bench(peer).controller(parameters=("process_value",))
    await oven.open()
    await oven.poll()
    peer.latency = 0.08
    for request in range(20):  # another value each time
        peer.controller.panel.after(request, partial(peer.set, "process_value", str(100 + 50 * (request % 7))))
    (sample,) = await oven.poll()
    assert (sample.status, sample.flags, sample.unit) == (Status.SUSPECT, ("unchecked",), "degF")
    assert sample.value is not None
    assert sample.error == "not proven: no check of the controller before and after the value"
