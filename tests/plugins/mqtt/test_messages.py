"""What is sent for a row: topics, values with time, unit and status, and what Home Assistant reads."""

import json

import pytest
from msgspec import structs
from recorded import MODE, WARM, make_run, stamp, varied

from riglog.model import Sample
from riglog.sinks import Row, row, rows
from riglog_mqtt.messages import Topics, discovery_message, level, value_message

RUN = make_run()
TOPICS = Topics("riglog", "kiln 7", "homeassistant")


def warm() -> Row:
    return row(RUN.id, 1, Sample(channel=WARM, stamp=stamp(RUN, 1.0), value=21.5, unit="degC"))


def test_a_value_has_its_time_unit_status_and_expires() -> None:
    message = value_message(TOPICS, warm(), 2.5)
    assert message.topic == f"riglog/{level('kiln 7')}/oven/process_value"
    assert message.expiry_s == 3
    assert json.loads(message.payload) == {
        "value": 21.5,
        "text": None,
        "unit": "degC",
        "status": "ok",
        "error": None,
        "at": "2026-11-20T12:00:01.123456Z",
        "run": "bench.0000",
    }


def test_a_row_without_a_value_clears_the_value() -> None:
    for each in rows(RUN.id, varied(RUN)):
        content = json.loads(value_message(TOPICS, each, 60).payload)
        assert (content["value"], content["text"], content["status"]) == (each.value, each.text, each.status)


def test_home_assistant_finds_a_channel() -> None:
    message = discovery_message(TOPICS, warm(), 60)
    assert message.topic == f"homeassistant/sensor/riglog_{level('kiln 7')}/oven_process_value/config"
    assert message.expiry_s is None
    content = json.loads(message.payload)
    assert (content["unit_of_measurement"], content["device_class"]) == ("°C", "temperature")
    assert (content["state_topic"], content["expire_after"]) == (value_message(TOPICS, warm(), 60).topic, 60)
    assert content["availability_topic"] == TOPICS.availability


def test_a_text_has_no_unit_and_no_class() -> None:
    made = row(RUN.id, 1, Sample(channel=MODE, stamp=stamp(RUN, 1.0), value=62, unit=None, text="heat"))
    content = json.loads(discovery_message(TOPICS, made, 60).payload)
    assert content["value_template"] == "{{ value_json.text }}"
    assert not {"unit_of_measurement", "device_class", "state_class"} & set(content)


def test_names_that_are_one_when_they_are_joined_stay_different() -> None:
    named = [
        ("kiln", "a", "b_c"),
        ("kiln", "a_b", "c"),
        ("kiln_a", "b", "c"),
        ("kiln_a_b", "c", "c"),
        ("kiln", "a", "b"),
    ]
    topics, ids, devices = set(), set(), set()
    for rig, device, parameter in named:
        where, made = Topics("riglog", rig, "ha"), structs.replace(warm(), device=device, parameter=parameter)
        message = discovery_message(where, made, 60)
        content = json.loads(message.payload)
        topics.add(message.topic)
        ids.add(content["unique_id"])
        devices.add(content["device"]["identifiers"][0])
    assert (len(topics), len(ids), len(devices)) == (5, 5, 4)


@pytest.mark.parametrize("hostile", ["a/b", "a+b", "#", "a b", "Ölbad", "\0", "a_b"])
def test_a_name_cannot_change_a_topic(hostile: str) -> None:
    topics = structs.replace(TOPICS, rig=hostile)
    made = structs.replace(warm(), device=hostile)
    for topic in (topics.availability, topics.values(made), topics.config(made)):
        assert topic.count("/") == TOPICS.config(warm()).count("/") if "config" in topic else topic.count("/") <= 3
        assert not set("+#\0 ") & set(topic)
    assert len({level(name) for name in ("a/b", "a+b", "a_b")}) == 3
