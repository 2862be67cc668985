"""``[[sink]] type = "mqtt"``: the newest value of every channel for a broker. Nothing is recorded here."""

from collections.abc import Sequence
from functools import partial

import anyio
import anyio.to_thread

from riglog.errors import ConfigError, StorageError
from riglog.log import get_logger
from riglog.model import Batch, Event, Run, Sample, Sink
from riglog.sinks import SinkType, row
from riglog_mqtt.config import MqttConfig
from riglog_mqtt.messages import Topics, discovery_message, value_message
from riglog_mqtt.publisher import Publisher

log = get_logger("riglog.mqtt")
CLOSE_S = 2.0
"""How long the end of a run waits for the broker."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class MqttSink(Sink):
    """Publishes values. It accepts everything at once: a broker that is slow or not there delays no recording.

    Raises:
        ConfigError: an invalid key.
    """

    name = "mqtt"

    def __init__(self, config: MqttConfig) -> None:
        if not 1 <= config.expire_after <= 86_400 * 365:
            raise ConfigError(f"expire_after: {config.expire_after:g} must be from 1 to 31536000")
        if not 1 <= config.broker_port <= 65_535:
            raise ConfigError(f"port: {config.port} must be from 1 to 65535")
        if not config.topic or set("+#\0") & set(config.topic) or set("+#\0") & set(config.discovery):
            raise ConfigError("topic and discovery: no topics of MQTT", hint="Use a text without + and #")
        if config.password is not None and config.user is None:
            raise ConfigError("password needs user", hint="Add user, or remove password")
        if not config.tls and (config.ca or config.cert or config.key):
            raise ConfigError("ca, cert and key need tls = true", hint="Add tls = true")
        self.config = config
        self._run = ""
        self._topics = Topics(config.topic, "", config.discovery)
        self._publisher: Publisher | None = None
        self._described: dict[str, tuple[str | None, bool]] = {}  # unit, and whether it is a text, by topic

    async def check(self) -> None:
        for name in (self.config.ca, self.config.cert, self.config.key):
            if name is not None and not await anyio.Path(name).is_file():
                raise StorageError("file not found", hint="Check ca, cert and key of the MQTT sink", path=name)
        if self.config.password is not None and not self.config.tls and self.config.host not in LOOPBACK:
            log.warning("MQTT broker %s: the password is sent without encryption; set tls = true", self.config.address)

    async def open(self, run: Run) -> None:
        self._run = run.id
        self._topics = Topics(self.config.topic, run.name, self.config.discovery)
        self._described.clear()
        self._publisher = Publisher(self.config, self._topics.availability)
        self._publisher.start()

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        assert self._publisher is not None
        newest: dict[str, tuple[int | None, Sample]] = {}
        for batch in batches:
            for sample in batch.samples:
                newest[str(sample.channel)] = batch.tick, sample
        messages = []
        for tick, sample in newest.values():
            made = row(self._run, tick, sample)
            topic, kind = self._topics.values(made), (made.unit, made.text is not None)
            if made.value is None and made.text is None:
                kind = self._described.get(topic, kind)  # a row without a value does not change what the channel is
            if self.config.discovery and self._described.get(topic) != kind:
                self._described[topic] = kind
                messages.append(discovery_message(self._topics, made, self.config.expire_after))
            messages.append(value_message(self._topics, made, self.config.expire_after))
        self._publisher.offer(messages)

    async def aclose(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is None:
            return
        unsent = await anyio.to_thread.run_sync(partial(publisher.close, CLOSE_S))
        if lost := publisher.replaced + unsent:
            refusal = publisher.refusal
            why = "was slow or not reachable" if refusal is None else f"refused the connection: {refusal}"
            self.warning = f"{lost} values were not sent: the MQTT broker {self.config.address} {why}"


MQTT = SinkType(
    "mqtt", "live values for an MQTT broker, with Home Assistant discovery; nothing is recorded", MqttConfig, MqttSink
)
