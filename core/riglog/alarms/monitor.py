"""The alarms of a run: each sample is evaluated as it is recorded; changes are events, and start actions."""

from collections import deque
from collections.abc import Callable, Sequence

from riglog.acquire import ActiveRun
from riglog.alarms.actions import Facts
from riglog.alarms.definition import Alarm
from riglog.alarms.dispatch import Dispatcher
from riglog.alarms.evaluation import ChannelAlarm, Condition, Turn
from riglog.errors import describe
from riglog.log import get_logger
from riglog.model import (
    Acknowledgement,
    AlarmChange,
    AlarmState,
    Batch,
    Channel,
    Event,
    EventKind,
    Sample,
    ShownAlarm,
    iso,
    storable,
)

LOOK_NS = 1_000_000_000
"""Staleness and conditions that must last are evaluated at least so often."""
KINDS = {
    AlarmState.DEFINED: EventKind.ALARM_DEFINED,
    AlarmState.RAISED: EventKind.ALARM_RAISED,
    AlarmState.CLEARED: EventKind.ALARM_CLEARED,
    AlarmState.ACKNOWLEDGED: EventKind.ALARM_ACKNOWLEDGED,
}
log = get_logger("riglog.alarms")


class AlarmMonitor:
    """Watches the channels of a run. It gets each sample as it is recorded; ``run`` evaluates what depends on time."""

    def __init__(
        self,
        active_run: ActiveRun,
        alarms: Sequence[Alarm],
        dispatcher: Callable[[Callable[[str, str], None]], Dispatcher],
        context: Facts,
    ) -> None:
        self._active_run = active_run
        self._clock = active_run.clock
        self._context = context  # facts about the run
        self._problems: deque[tuple[str, str]] = deque(maxlen=1000)  # of actions, from their threads
        self._dispatcher = dispatcher(lambda name, reason: self._problems.append((name, reason)))
        now = self._clock.monotonic_ns()
        self._watches = [ChannelAlarm(alarm, channel, now) for alarm in alarms for channel in alarm.channels]
        self._shown: dict[int, ShownAlarm] = {}
        self._faulty: set[str] = set()  # channels whose samples could not be evaluated
        self._by_channel: dict[Channel, tuple[ChannelAlarm, ...]] = {}
        for watch in self._watches:
            self._report(watch, AlarmState.DEFINED, watch.alarm.summary)
        active_run.watchers.append(self.take)
        active_run.on_acknowledgement = self.acknowledge
        active_run.shown_alarms = self.shown

    def shown(self) -> list[ShownAlarm]:
        """Return the alarms that are raised, or were cleared and not acknowledged; the newest first."""
        found = [self._shown[id(watch)] for watch in self._watches if watch.is_shown and id(watch) in self._shown]
        return sorted(found, key=lambda alarm: -alarm.since_ns)

    def take(self, batch: Batch) -> None:
        """Evaluate the samples of a batch. Raises nothing."""
        for sample in batch.samples:
            watches = self._by_channel.get(sample.channel)
            if watches is None:
                name = str(sample.channel)
                watches = tuple(watch for watch in self._watches if watch.channel == name)
                self._by_channel[sample.channel] = watches
            for watch in watches:
                self._evaluate(watch, sample)

    def resume(self, name: str, channel: str, *, active: bool, acknowledged: bool) -> None:
        """Take over the state that an alarm had when the run broke off."""
        now_ns = self._clock.utc_ns()
        for watch in self._watches:
            if (watch.alarm.name, watch.channel) == (name, channel):
                watch.resume(self._clock.monotonic_ns(), active=active, acknowledged=acknowledged)
                reason = "raised before the run was resumed"
                self._shown[id(watch)] = ShownAlarm(name, channel, active, acknowledged, reason, now_ns)

    async def run(self) -> None:
        """Evaluate what depends on the time, until cancelled."""
        while True:
            now = self._clock.monotonic_ns()
            due = min([now + LOOK_NS, *(watch.due_ns() for watch in self._watches)])
            await self._active_run.sleep_until(max(due, now + LOOK_NS // 100))
            self.look()
            if self._active_run.stopping:
                return

    def look(self) -> None:
        """Evaluate what depends on the time, and report the actions that failed."""
        now = self._clock.monotonic_ns()
        for watch in self._watches:
            self._turned(watch, watch.look(now))
        self.report_failures()

    def acknowledge(self, message: Acknowledgement) -> None:
        """Take note that somebody has seen an alarm, on each of its channels."""
        found = [watch for watch in self._watches if watch.alarm.name == message.alarm and not watch.acknowledged]
        identity: str | None = message.message_id  # of one change: a message is stored once
        for watch in found:
            watch.acknowledged = True
            by = storable(message.author.user)
            self._report(watch, AlarmState.ACKNOWLEDGED, f"acknowledged by {by}", by=message, message_id=identity)
            identity = None
        if not found:
            self._active_run.add_event(message.unexpected)

    def finish_actions(self) -> None:
        """Wait for the actions that were started, for some seconds. Blocking."""
        self._dispatcher.close()

    def report_failures(self) -> None:
        """Add an event for each action that has failed."""
        while self._problems:
            name, reason = self._problems.popleft()
            message = f"action {name} failed: {storable(reason)}"
            self._active_run.add_event_throttled(EventKind.ALARM_ACTION_FAILED, name, message)

    def _evaluate(self, watch: ChannelAlarm, sample: Sample) -> None:
        try:
            self._turned(watch, watch.take(sample))
        except Exception as error:  # recording goes on whatever an alarm does
            if watch.channel not in self._faulty:
                self._faulty.add(watch.channel)
                log.exception("alarm %s: a sample of %s could not be evaluated", watch.alarm.name, watch.channel)
            message = f"alarm {watch.alarm.name}: sample not evaluated: {storable(describe(error))}"
            self._active_run.add_event_throttled(EventKind.ALARM_ACTION_FAILED, watch.channel, message)

    def _turned(self, watch: ChannelAlarm, turn: Turn | None) -> None:
        if turn is None:
            return
        state = AlarmState.RAISED if turn.raised else AlarmState.CLEARED
        reason = _reason(watch.alarm, turn) if turn.raised else f"normal again{_value(turn)}"
        event = self._report(watch, state, reason, turn)
        facts = {
            **self._context,
            "alarm": watch.alarm.name,
            "channel": watch.channel,
            "state": state.value,
            "reason": reason,
            "value": turn.value,
            "text": turn.text,
            "unit": turn.unit,
            "at": iso(event.at_ns),
        }
        self._dispatcher.start(watch.alarm.actions, facts)

    def _report(
        self,
        watch: ChannelAlarm,
        state: AlarmState,
        reason: str,
        turn: Turn | None = None,
        by: Acknowledgement | None = None,
        message_id: str | None = None,
    ) -> Event:
        at_ns = self._clock.utc_ns()
        change = AlarmChange(
            alarm=watch.alarm.name,
            definition=watch.alarm.definition(watch.channel),
            at_ns=at_ns,
            state=state,
            value=turn.value if turn is not None else None,
            text=storable(reason),
            actor=None if by is None else by.author,
            reason=None if by is None else by.reason,
            message_id=message_id,
        )
        device, _, parameter = watch.channel.partition(".")
        message = storable(f"{watch.alarm.name} on {parameter}: {reason}")
        event = Event(at_ns, KINDS[state], message, device, detail=change)
        if state in (AlarmState.RAISED, AlarmState.CLEARED):
            shown = ShownAlarm(watch.alarm.name, watch.channel, turn is not None and turn.raised, False, reason, at_ns)
            self._shown[id(watch)] = shown
        elif state is AlarmState.ACKNOWLEDGED and (before := self._shown.get(id(watch))) is not None:
            self._shown[id(watch)] = ShownAlarm(
                before.name, before.channel, before.active, True, before.reason, before.since_ns
            )
        self._active_run.add_event(event)
        return event


def _reason(alarm: Alarm, turn: Turn) -> str:
    texts = {
        Condition.HIGH: f"above {alarm.high:g}" if alarm.high is not None else "",
        Condition.LOW: f"below {alarm.low:g}" if alarm.low is not None else "",
        Condition.RATE: f"changes by more than {alarm.rate:g} per second" if alarm.rate is not None else "",
        Condition.STATUS: f"status {' or '.join(alarm.status)}",
        Condition.TEXT: f"text {' or '.join(alarm.text)}",
        Condition.STALE: f"no usable value for {alarm.stale_s:g} s",
        Condition.BEFORE: "raised before the run was resumed",
    }
    values = "" if turn.conditions == (Condition.STALE,) else _value(turn)
    return ", ".join(texts[condition] for condition in turn.conditions) + values


def _value(turn: Turn) -> str:
    if turn.value is None and turn.text is None:
        return ""
    parts = [f"{turn.value:.7g}" if turn.value is not None else None, turn.unit, turn.text]
    return f": {' '.join(part for part in parts if part)}"
