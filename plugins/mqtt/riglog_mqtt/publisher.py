"""The connection to a broker. It delays no caller: a message waits until it is sent, or a newer one replaces it.

A thread of its own publishes; paho-mqtt has another one for the network, which connects again for ever. Messages are
sent once (QoS 0): one that was sent again after an interruption could replace a newer one.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from riglog.log import get_logger
from riglog_mqtt.config import MqttConfig
from riglog_mqtt.messages import OFFLINE, ONLINE, Message

log = get_logger("riglog.mqtt")
MOST_ON_THE_WAY = 50
"""So many messages are given to the network before the first of them must have left."""
KEEP_ALIVE_S = 15
LOOK_S = 0.5


class Publisher:
    """Publishes the newest message of each topic.

    Args:
        availability: the topic of ``online`` and ``offline``.
        clock: for tests.
    """

    def __init__(
        self, config: MqttConfig, availability: str, *, clock: Callable[[], float] = time.monotonic, client: Any = None
    ) -> None:
        self.replaced = 0
        """Messages that a newer one replaced before they were sent."""
        self.refusal: str | None = None
        """Why the broker refused the newest connection, such as a wrong password; None if it did not."""
        self._config = config
        self._availability = availability
        self._clock = clock
        self._client = client or Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._changed = threading.Condition()
        self._waiting: dict[str, Message] = {}
        self._lasting: dict[str, Message] = {}  # what a broker that was started again must have
        self._sent_at: dict[str, float] = {}  # when the newest message with an expiry was offered, by topic
        self._on_the_way: dict[int, Message] = {}
        self._left_early: set[int] = set()
        self._connected = False
        self._ending = False
        self._thread = threading.Thread(target=self._publish, name="riglog mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect, and return at once. Whether there is a broker is found out in the background."""
        config, client = self._config, self._client
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_connect_fail = self._on_publish, self._on_connect_fail
        client.will_set(self._availability, OFFLINE, qos=1, retain=True)
        if config.user is not None:
            client.username_pw_set(config.user, config.password)
        if config.tls:
            client.tls_set(config.ca, config.cert, config.key)
        client.reconnect_delay_set(1, 30)
        client.connect_async(config.host, config.broker_port, KEEP_ALIVE_S)
        client.loop_start()
        self._thread.start()

    def offer(self, messages: Sequence[Message]) -> None:
        """Publish messages as soon as possible; one that still waits under the same topic is replaced."""
        now = self._clock()
        with self._changed:
            for message in messages:
                if message.expiry_s is None:
                    self._lasting[message.topic] = message
                else:
                    self._sent_at[message.topic] = now
                    self.replaced += message.topic in self._waiting
                self._waiting.pop(message.topic, None)
                self._waiting[message.topic] = message
            self._changed.notify()

    def close(self, timeout: float) -> int:
        """Publish what waits and ``offline``, for so many seconds at most; return the number of values not sent."""
        with self._changed:
            if self._connected:
                self._waiting[self._availability] = Message(self._availability, OFFLINE)
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            unsent = sum(message.expiry_s is not None for message in self._waiting.values())
        self._client.disconnect()
        ender = threading.Thread(target=self._client.loop_stop, daemon=True)  # a connection attempt can take long
        ender.start()
        ender.join(timeout)
        return unsent

    def _publish(self) -> None:
        while True:
            with self._changed:
                if not self._may_publish():
                    if self._ending and (not self._connected or not (self._waiting or self._on_the_way)):
                        return
                    self._changed.wait(LOOK_S)
                    self._clear_old()
                if not self._may_publish():
                    continue
                topic = next(iter(self._waiting))
                message = self._waiting.pop(topic)
            self._send(message)

    def _may_publish(self) -> bool:
        return self._connected and bool(self._waiting) and len(self._on_the_way) < MOST_ON_THE_WAY

    def _send(self, message: Message) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if message.expiry_s is not None and message.payload:
            properties.MessageExpiryInterval = message.expiry_s
        sent = self._client.publish(message.topic, message.payload, qos=0, retain=True, properties=properties)
        with self._changed:
            if sent.mid in self._left_early:
                self._left_early.discard(sent.mid)
            elif self._connected:
                self._on_the_way[sent.mid] = message
            else:
                self._waiting.setdefault(message.topic, message)

    def _clear_old(self) -> None:
        """Clear what has no newer value: an empty retained message removes it from the broker."""
        limit = self._clock() - self._config.expire_after
        for topic in [topic for topic, at in self._sent_at.items() if at < limit]:
            del self._sent_at[topic]
            self._waiting[topic] = Message(topic, b"", 1)

    def _on_connect(self, _: object, data: object, flags: ConnectFlags, reason: ReasonCode, properties: object) -> None:
        if reason.is_failure:
            log.warning("MQTT broker %s refuses the connection: %s", self._config.address, reason)
            self.refusal = str(reason)
            return
        log.info("MQTT broker %s: connected", self._config.address)
        self.refusal = None
        with self._changed:
            online = Message(self._availability, ONLINE)
            self._waiting = {online.topic: online} | self._lasting | self._waiting
            self._connected = True
            self._changed.notify()

    def _on_disconnect(
        self, _: object, data: object, flags: DisconnectFlags, reason: ReasonCode, properties: object
    ) -> None:
        with self._changed:
            if self._connected and not self._ending:
                log.warning("MQTT broker %s: connection lost: %s", self._config.address, reason)
            self._connected = False
            for message in self._on_the_way.values():  # whether they arrived is not known
                self._waiting.setdefault(message.topic, message)
            self._on_the_way.clear()
            self._left_early.clear()
            self._changed.notify()

    def _on_connect_fail(self, _: object, data: object) -> None:
        log.debug("MQTT broker %s cannot be reached", self._config.address)

    def _on_publish(self, _: object, data: object, mid: int, reason: object, properties: object) -> None:
        with self._changed:
            if self._on_the_way.pop(mid, None) is None:
                self._left_early.add(mid)
            self._changed.notify()
