"""The newest values in the text format of Prometheus."""

from collections.abc import Iterator, Mapping

from riglog.live.source import LiveChannel, Look

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = (
    "recording",
    "finished",
    "interrupted",
    "continued",
    "empty",
    "gone",
    "unreadable",
    "laboratory",
    "unreachable",
)


def metrics(look: Look, now_ms: float) -> bytes:
    """Return a page of metrics. A value that is not live is left out: no program must take it for one of now."""
    return "".join(f"{line}\n" for line in _lines(look, now_ms)).encode("utf-8", "backslashreplace")


def _lines(look: Look, now_ms: float) -> Iterator[str]:
    yield from _head("riglog_state", "1 for the state of the recording")
    for state in STATES:
        yield _sample("riglog_state", {"state": state}, float(look.state == state))
    yield from _head("riglog_value", "Newest value of a channel, while it is live")
    for channel in look.channels:
        if channel.condition == "live" and channel.value is not None:
            yield _sample("riglog_value", _names(channel) | {"unit": channel.unit or ""}, channel.value)
    yield from _head("riglog_value_age_seconds", "Age of the newest value of a channel")
    for channel in look.channels:
        if channel.value_ms is not None:
            yield _sample("riglog_value_age_seconds", _names(channel), max(0.0, now_ms - channel.value_ms) / 1000)
    yield from _head("riglog_row_ok", "1 if the newest row of a channel has the status ok")
    for channel in look.channels:
        yield _sample("riglog_row_ok", _names(channel), float(channel.status == "ok"))
    yield from _head("riglog_channel_live", "1 if the value of a channel is neither old nor dead")
    for channel in look.channels:
        yield _sample("riglog_channel_live", _names(channel), float(channel.condition == "live"))
    yield from _head(
        "riglog_alarm_raised", "1 for an alarm that is raised, 0 for one that waits for its acknowledgement"
    )
    for alarm in look.alarms:
        labels = {"alarm": alarm.name, "channel": alarm.channel}
        yield _sample("riglog_alarm_raised", labels, float(alarm.state == "raised"))


def _head(name: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}."
    yield f"# TYPE {name} gauge"


def _names(channel: LiveChannel) -> dict[str, str]:
    labels = {"device": channel.device, "parameter": channel.parameter, "instance": str(channel.instance)}
    return labels if channel.host is None else {"host": channel.host} | labels


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
