"""The public names of riglog_mqtt, each with its home. The only list: see ``riglog._lazy``."""

from riglog_mqtt.config import MqttConfig as MqttConfig
from riglog_mqtt.sink import MqttSink as MqttSink
