"""A broker that is slow or gone delays nothing: the newest message of a topic wins, and what was lost is counted."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from riglog_mqtt.config import MqttConfig
from riglog_mqtt.messages import Message
from riglog_mqtt.publisher import MOST_ON_THE_WAY, Publisher

pytestmark = pytest.mark.real_time
CONFIG = MqttConfig(type="mqtt", host="broker", expire_after=5)
GOOD = SimpleNamespace(is_failure=False)


class StuckClient:
    """A client of paho whose network takes messages, and reports that they have left only when told to."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.ended = False

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None

    def publish(self, topic: str, payload: bytes, **_: Any) -> Any:
        self.published.append((topic, payload))
        return SimpleNamespace(mid=len(self.published))


def until(condition: Any, timeout: float = 20.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def started(clock: Any = time.monotonic) -> tuple[Publisher, StuckClient]:
    client = StuckClient()
    publisher = Publisher(CONFIG, "riglog/kiln/status", clock=clock, client=client)
    publisher.start()
    return publisher, client


def message(topic: str, number: int) -> Message:
    return Message(topic, str(number).encode(), 5)


def test_without_a_broker_the_newest_message_of_each_topic_waits_and_the_others_are_counted() -> None:
    publisher, client = started()
    for number in range(1000):
        publisher.offer([message("a", number), message("b", number)])
    assert (publisher.replaced, client.published) == (1998, [])
    assert publisher.close(0.5) == 2


def test_after_the_connection_comes_birth_then_descriptions_then_the_newest_values() -> None:
    publisher, client = started()
    publisher.offer([Message("config", b"{}"), message("a", 1)])
    publisher.offer([message("a", 2)])
    client.on_connect(None, None, None, GOOD, None)
    until(lambda: len(client.published) == 3)
    assert client.published == [("riglog/kiln/status", b"online"), ("config", b"{}"), ("a", b"2")]
    publisher.close(0.2)


def test_a_broker_that_takes_nothing_holds_a_limited_number_of_messages() -> None:
    publisher, client = started()
    client.on_connect(None, None, None, GOOD, None)
    for number in range(500):
        publisher.offer([message(f"t{topic}", number) for topic in range(80)])
    until(lambda: len(client.published) == MOST_ON_THE_WAY)
    time.sleep(0.05)
    assert len(client.published) == MOST_ON_THE_WAY
    assert publisher.replaced > 0
    for mid in range(1, MOST_ON_THE_WAY + 1):
        client.on_publish(None, None, mid, None, None)
    until(lambda: len(client.published) > MOST_ON_THE_WAY)
    assert {payload for _, payload in client.published[MOST_ON_THE_WAY:]} == {b"499"}
    publisher.close(0.2)


def test_what_was_on_the_way_when_the_connection_was_lost_is_sent_again_unless_there_is_a_newer_one() -> None:
    publisher, client = started()
    client.on_connect(None, None, None, GOOD, None)
    publisher.offer([message("a", 1), message("b", 1)])
    until(lambda: len(client.published) == 3)
    client.on_disconnect(None, None, None, GOOD, None)
    publisher.offer([message("a", 2)])
    client.on_connect(None, None, None, GOOD, None)
    until(lambda: len(client.published) >= 6)
    assert sorted(client.published[3:]) == [("a", b"2"), ("b", b"1"), ("riglog/kiln/status", b"online")]
    publisher.close(0.2)


def test_a_value_without_a_newer_one_is_cleared() -> None:
    now = [100.0]
    publisher, client = started(lambda: now[0])
    client.on_connect(None, None, None, GOOD, None)
    publisher.offer([message("a", 1)])
    until(lambda: ("a", b"1") in client.published)
    assert ("a", b"") not in client.published
    now[0] += 6
    until(lambda: ("a", b"") in client.published)
    publisher.close(0.2)


def test_offering_takes_no_longer_while_the_client_is_stuck() -> None:
    publisher, client = started()
    held = threading.Event()
    client.publish = lambda *_, **__: held.wait(10) and SimpleNamespace(mid=1)  # type: ignore[method-assign]
    client.on_connect(None, None, None, GOOD, None)
    begun = time.monotonic()
    for number in range(1000):
        publisher.offer([message("a", number)])
    assert time.monotonic() - begun < 5  # and not 10 s, for one
    held.set()
    publisher.close(0.5)
