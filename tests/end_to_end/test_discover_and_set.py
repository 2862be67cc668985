"""Finding instruments and changing them, on the command line."""

import os
from pathlib import Path

import pytest
from terminal import rig, riglog, simulated

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")]


def test_instruments_that_respond_are_found_and_written_into_a_rig_file_that_can_be_recorded(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus", "--address", 1, "--address", 3) as ready:
        out = tmp_path / "rig.toml"
        found = riglog("discover", "--port", ready["port"], "--driver", "watlow", "--write", out, "--json")
        assert found.code == 0, found.err
        assert [(one["driver"], one["protocol"], one["address"]) for one in found.json] == [
            ("watlow", "stdbus", 1),
            ("watlow", "stdbus", 3),
        ]
        checked = riglog("check", out, "--live")
        assert checked.code == 0, checked.err
        again = riglog("discover", "--port", ready["port"], "--driver", "watlow", "--write", out)
        assert again.code == 2
        assert "file exists and was not overwritten" in again.err


def test_a_port_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    done = riglog("discover", "--port", tmp_path / "nothing", "--driver", "watlow")
    assert done.code == 3
    assert "port not found" in done.err
    assert "no instrument responded" not in done.err


def test_a_change_without_confirm_is_refused_before_a_port_is_opened() -> None:
    done = riglog("set", "watlow", "--port", "/dev/riglog-no-such-port", "setpoint", "150")
    assert done.code == 2
    assert "--confirm" in done.err
    assert "port not found" not in done.err


@pytest.mark.parametrize("more", [[], ["--confirm"]])
@pytest.mark.parametrize(
    ("driver", "parameter", "message"),
    [
        ("sartorius", "net", "net can be read, but not set. Parameters that can be set: filter_mode, "),
        ("sartorius", "filter", "unknown parameter 'filter'. "),
        ("watlow", "process_value", "process_value can be read, but not set. Parameters that can be set: "),
        ("watlow", "setpont", "unknown parameter 'setpont'. Did you mean 'setpoint'? Parameters that can be set: "),
        ("servomex", "I1", "I1 can be read, but not set. Parameters that can be set: none."),
    ],
)
def test_a_parameter_that_cannot_be_set_is_refused_first(
    driver: str, parameter: str, message: str, more: list[str]
) -> None:
    done = riglog("set", driver, "--port", "/dev/riglog-no-such-port", parameter, "5", *more)
    assert done.code == 2
    assert done.err.startswith(f"error: {driver}: {message}")


def test_a_driver_with_a_port_needs_one() -> None:
    for arguments in (["read", "watlow"], ["set", "watlow", "setpoint", "150", "--confirm"]):
        done = riglog(*arguments)
        assert done.code == 2
        assert "--port: missing. Give the port of the device, for example --port /dev/ttyUSB0." in done.err


def test_a_parameter_is_changed_only_with_confirm(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        reach = ["watlow", "--port", ready["port"]]
        refused = riglog("set", *reach, "setpoint", "150")
        assert refused.code == 2
        assert "--confirm" in refused.err
        assert riglog("read", *reach, "setpoint", "--json").json[0]["value"] == 75
        done = riglog("set", *reach, "setpoint", "150", "--confirm", "--json", "--reason", "trial")
        assert done.code == 0, done.err
        assert (done.json["value"], done.json["unit"]) == (150, "degF")
        assert (done.json["written"], done.json["old_value"], done.json["reason"]) == (True, 75, "trial")
        assert done.json["user"]
        again = riglog("set", *reach, "setpoint", "150", "--confirm", "--reason", "trial")
        assert "nothing was written" in again.err
        assert riglog("read", *reach, "setpoint", "--json").json[0]["value"] == 150
        assert riglog("set", *reach, "process_value", "1", "--confirm").code == 2
        assert riglog("set", *reach, "setpoint", "1e6", "--confirm").code == 2


def test_gaps_and_events_of_a_recording_are_listed(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus", "--fault", "drop=0.1", "--seed", 1) as ready:
        path = rig(tmp_path, {"name": "oven", "driver": "watlow", "port": ready["port"]}, rate_hz=5)
        riglog("record", path, "--duration", "3s", "--out", tmp_path / "o.sqlite")
    found = riglog("gaps", tmp_path / "o.sqlite", "--json").json
    assert {channel["slots_due"] for channel in found["channels"]} == {15}
    assert all(gap["cause"] and gap["seconds"] >= 0 for gap in found["gaps"])
    without = sum(channel["slots_due"] - channel["slots_with_value"] for channel in found["channels"])
    assert without == sum(gap["slots"] for gap in found["gaps"]) > 0
    middle = sorted(gap["seconds"] for gap in found["gaps"])[len(found["gaps"]) // 2]
    for option in ("--min-duration", "--longer"):  # the former name still works
        longer = riglog("gaps", tmp_path / "o.sqlite", "--json", option, middle).json["gaps"]
        assert longer == [gap for gap in found["gaps"] if gap["seconds"] >= middle]
    events = riglog("events", tmp_path / "o.sqlite", "--json").json
    assert next(event["kind"] for event in events) == "run_started"
    assert [event["kind"] for event in events][-1] == "run_finished"
    assert riglog("gaps", tmp_path / "o.sqlite").code == riglog("events", tmp_path / "o.sqlite").code == 0


def test_an_address_is_rehearsed_then_changed_and_the_instrument_responds_there_only(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        reach = ["watlow", "configure", "--port", ready["port"], "address=4"]
        refused = riglog(*reach)
        assert refused.code == 2
        assert "standard_bus_address" in refused.out
        assert "--rehearse" in refused.err
        rehearsed = riglog(*reach, "--rehearse", "--json")
        assert rehearsed.json["settings"] == {"address": 4}
        assert riglog("read", "watlow", "--port", ready["port"], "setpoint").code == 0, "nothing was changed"
        done = riglog(*reach, "--confirm")
        assert done.code == 0, done.err
        assert "the same instrument responds with the new settings" in done.out
        assert riglog("read", "watlow", "--port", ready["port"], "setpoint").code == 3
        assert riglog("read", "watlow", "--port", ready["port"], "--address", 4, "setpoint").code == 0


def test_a_rehearsal_shows_the_settings_that_were_read_from_the_instrument(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        done = riglog("watlow", "configure", "--port", ready["port"], "protocol=modbus-rtu", "--rehearse", "--json")
        assert {one["old"] for one in done.json["changes"]} == {"1", "9600", "None", "Standard Bus"}
        assert "not read" not in done.err
        assert riglog("read", "watlow", "--port", ready["port"], "setpoint").code == 0, "nothing was changed"


def test_a_rehearsal_without_the_instrument_warns_and_goes_on(tmp_path: Path) -> None:
    port = tmp_path / "absent"
    done = riglog("watlow", "configure", "--port", port, "address=4", "--rehearse")
    assert done.code == 0, done.err
    assert "the present settings were not read from the instrument" in done.err
    assert "the simulated instrument responds with the new settings" in done.out


def test_a_baud_rate_and_a_protocol_are_changed_and_a_wrong_baud_rate_gets_no_reply(tmp_path: Path) -> None:
    simulator = ["sartorius", "--protocol", "xbpi", "--set", "power_cycle=1", "--link", tmp_path / "balance"]
    with simulated(*simulator) as ready:
        reach = ["sartorius", "configure", "--port", ready["port"], "--protocol", "xbpi"]
        done = riglog(*reach, "baudrate=19200", "--confirm", "--json")
        assert done.json["settings"] == {"protocol": "xbpi", "address": 9, "baudrate": 19200}
        read = ["read", "sartorius", "--port", ready["port"]]
        assert riglog(*read, "--protocol", "xbpi").code == 3
        done = riglog(*reach, "--option", "baudrate=19200", "protocol=sbi", "--confirm")
        assert done.code == 0, done.err
        assert "switch the instrument off and on now" in done.err
        assert riglog(*read, "--option", "baudrate=19200").code == 0
