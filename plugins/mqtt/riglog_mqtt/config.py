"""The keys of ``[[sink]] type = "mqtt"``."""

from riglog.sinks import SinkConfig


class MqttConfig(SinkConfig, kw_only=True, frozen=True):
    """``host`` and ``port`` of the broker; ``user`` and ``password``, if it wants them.

    ``topic`` is the first level of all topics. ``discovery`` is the prefix of Home Assistant, or empty for none. A
    value that is not followed by another one within ``expire_after`` seconds is old. ``tls``: encrypted, and the
    certificate of the broker is checked, with the authorities in the file ``ca`` or else those of the operating system;
    ``cert`` and ``key`` are files with the certificate of this client.
    """

    host: str
    port: int | None = None
    user: str | None = None
    password: str | None = None
    topic: str = "riglog"
    discovery: str = "homeassistant"
    expire_after: float = 60.0
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        return f"MqttConfig({self.address})"  # without the password

    @property
    def address(self) -> str:
        """Return host and port, for messages."""
        return f"{self.host}:{self.broker_port}"

    @property
    def broker_port(self) -> int:
        return self.port or (8883 if self.tls else 1883)
