"""The sink against Debian's mosquitto: values arrive, a broker that stops costs nothing, passwords are not shown."""

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec import structs
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from processes import running
from recorded import WARM, make_run, stamp, steady

from riglog.config.secrets import without_secrets
from riglog.errors import ConfigError, StorageError
from riglog.model import Batch, Status, missing_sample
from riglog_mqtt import MqttConfig, MqttSink
from riglog_mqtt import plugin as mqtt_plugin

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto: apt-get install mosquitto")
RUN = make_run("kiln")
VALUES = "riglog/kiln/oven/process_value"
STATUS = "riglog/kiln/status"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Broker:
    """Mosquitto on a port of its own."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.config = folder / "mosquitto.conf"
        self.config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *settings, "user root", ""]))
        self._running = ExitStack()
        self.start()

    def start(self) -> None:
        command = [MOSQUITTO or "", "-c", self.config]
        program = running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = self._running.enter_context(program)
        until(self.is_open)

    def is_open(self) -> bool:
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self._running.close()


class Subscriber:
    """A client that keeps the newest message of each topic."""

    def __init__(self, port: int, ca: str | None = None, user: str | None = None, password: str | None = None) -> None:
        self.messages: dict[str, Any] = {}
        self.all: list[tuple[str, bytes]] = []
        self.expiries: dict[str, int | None] = {}
        self.ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_connect = lambda *_: self.client.subscribe("#")
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._take
        if ca:
            self.client.tls_set(ca)
        if user:
            self.client.username_pw_set(user, password)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(20)

    def _take(self, _: object, __: object, message: Any) -> None:
        self.all.append((message.topic, message.payload))
        self.messages[message.topic] = message.payload
        self.expiries[message.topic] = getattr(message.properties, "MessageExpiryInterval", None)

    def value(self) -> Any:
        payload = self.messages.get(VALUES)
        return json.loads(payload)["value"] if payload else None

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def until(condition: Any, timeout: float = 30.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, "allow_anonymous true")
    yield made
    made.stop()


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    made = Subscriber(broker.port)
    yield made
    made.close()


def sink_for(port: int, **keys: Any) -> MqttSink:
    return MqttSink(MqttConfig(type="mqtt", host="127.0.0.1", port=port, **keys))


def batches(first: int, count: int = 1) -> list[Batch]:
    return list(steady(RUN, [WARM], count, first=first))


def run(main: Any) -> None:
    anyio.run(main)


@needs_mosquitto
@pytest.mark.real_time
def test_values_birth_and_death_arrive(broker: Broker, subscriber: Subscriber) -> None:
    sink = sink_for(broker.port, expire_after=30)

    async def main() -> None:
        await sink.check()
        await sink.open(RUN)
        await sink.write(batches(0, 10), ())
        await anyio.to_thread.run_sync(until, lambda: subscriber.value() == 9.1)
        assert subscriber.messages[STATUS] == b"online"
        assert subscriber.expiries[VALUES] in range(1, 31)
        lost = missing_sample(WARM, stamp(RUN, 20), Status.MISSING, "no reply")
        await sink.write([Batch("bus", 20, [lost])], ())
        await anyio.to_thread.run_sync(until, lambda: subscriber.value() is None)
        await sink.aclose()

    run(main)
    until(lambda: subscriber.messages[STATUS] == b"offline")
    assert json.loads(subscriber.messages[VALUES])["status"] == "missing"
    config = json.loads(subscriber.messages["homeassistant/sensor/riglog_kiln/oven_process_value/config"])
    assert config["state_topic"] == VALUES
    assert sink.warning is None


@needs_mosquitto
@pytest.mark.real_time
def test_an_old_value_is_cleared_at_the_broker(broker: Broker, subscriber: Subscriber) -> None:
    sink = sink_for(broker.port, expire_after=1)

    async def main() -> None:
        await sink.open(RUN)
        await sink.write(batches(0), ())
        await anyio.to_thread.run_sync(until, lambda: subscriber.value() == 0.1)
        await anyio.to_thread.run_sync(until, lambda: subscriber.messages[VALUES] == b"")
        await sink.aclose()

    run(main)
    late = Subscriber(broker.port)
    until(lambda: STATUS in late.messages)
    assert VALUES not in late.messages
    late.close()


@needs_mosquitto
@pytest.mark.real_time
def test_a_broker_that_stops_and_starts_again_delays_no_write(broker: Broker, subscriber: Subscriber) -> None:
    sink = sink_for(broker.port)

    async def main() -> None:
        await sink.open(RUN)
        await sink.write(batches(0), ())
        await anyio.to_thread.run_sync(until, lambda: subscriber.value() == 0.1)
        broker.process.send_signal(signal.SIGSTOP)  # it is there, and takes nothing
        slowest = 0.0
        for number in range(1, 200):
            begun = time.monotonic()
            await sink.write(batches(number), ())
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 1.0
        broker.stop()
        await sink.write(batches(500), ())
        broker.start()
        fresh = await anyio.to_thread.run_sync(Subscriber, broker.port)
        await anyio.to_thread.run_sync(until, lambda: fresh.value() == 500.1)
        assert fresh.messages[STATUS] == b"online"
        assert "homeassistant/sensor/riglog_kiln/oven_process_value/config" in fresh.messages
        fresh.close()
        await sink.aclose()

    run(main)


@needs_mosquitto
@pytest.mark.real_time
def test_a_password_and_a_certificate_are_used_and_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    openssl = shutil.which("openssl")
    mosquitto_passwd = shutil.which("mosquitto_passwd")
    if openssl is None or mosquitto_passwd is None:
        pytest.skip("needs openssl and mosquitto_passwd")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        tmp_path / "key.pem",
        "-out",
        tmp_path / "cert.pem",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    passwords = tmp_path / "passwords"
    subprocess.run([mosquitto_passwd, "-b", "-c", passwords, "lab", "s3cret-word"], check=True, capture_output=True)
    settings = [
        f"cafile {tmp_path / 'cert.pem'}",
        f"certfile {tmp_path / 'cert.pem'}",
        f"keyfile {tmp_path / 'key.pem'}",
    ]
    broker = Broker(tmp_path, *settings, f"password_file {passwords}", "allow_anonymous false")
    keys: dict[str, Any] = {"tls": True, "ca": str(tmp_path / "cert.pem"), "user": "lab"}
    right, wrong = (sink_for(broker.port, password=each, **keys) for each in ("s3cret-word", "other"))

    async def main() -> None:
        for sink in (right, wrong):
            await sink.check()
            await sink.open(RUN)
            await sink.write(batches(0), ())
        reader = await anyio.to_thread.run_sync(Subscriber, broker.port, keys["ca"], "lab", "s3cret-word")
        await anyio.to_thread.run_sync(until, lambda: reader.value() == 0.1)
        await anyio.to_thread.run_sync(until, lambda: "refuses the connection" in caplog.text)
        reader.close()
        await right.aclose()
        await wrong.aclose()

    try:
        run(main)
    finally:
        broker.stop()
    assert right.warning is None
    refused = "refused the connection: Not authorized"
    assert wrong.warning == f"1 values were not sent: the MQTT broker 127.0.0.1:{broker.port} {refused}"
    assert "s3cret" not in caplog.text + repr(right.config) + str(right.warning)


@pytest.mark.real_time
def test_without_a_broker_the_recording_goes_on_and_the_loss_is_reported() -> None:
    sink = sink_for(free_port())

    async def main() -> None:
        await sink.check()
        await sink.open(RUN)
        for number in range(5):
            await sink.write(batches(number), ())
        with anyio.fail_after(20):
            await sink.aclose()

    run(main)
    assert sink.warning is not None
    assert sink.warning.startswith("5 values were not sent: the MQTT broker 127.0.0.1:")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"expire_after": 0.0}, "expire_after"),
        ({"port": 70_000}, "port"),
        ({"topic": "a/#"}, "topic"),
        ({"topic": ""}, "topic"),
        ({"password": "x"}, "password needs user"),
        ({"ca": "ca.pem"}, "need tls"),
    ],
)
def test_an_invalid_key_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MqttSink(MqttConfig(type="mqtt", host="broker", **keys))


@pytest.mark.anyio
async def test_a_missing_certificate_is_reported_before_anything_is_opened(tmp_path: Path) -> None:
    sink = sink_for(1, tls=True, ca=str(tmp_path / "none.pem"))
    with pytest.raises(StorageError, match="file not found"):
        await sink.check()


def test_the_password_is_not_in_the_stored_rig_file() -> None:
    text = '[[sink]]\ntype = "mqtt"\nhost = "broker"\nuser = "lab"\npassword = "s3cret-word"\n'
    assert "s3cret" not in without_secrets(text)


def test_the_plugin_registers_the_sink() -> None:
    (kind,) = mqtt_plugin.riglog_sinks()
    assert (kind.name, kind.config) == ("mqtt", MqttConfig)
    config = structs.replace(MqttConfig(type="mqtt", host="broker"), password="x", user="u")
    assert "password" not in repr(config)
    assert isinstance(kind.create(config), MqttSink)
