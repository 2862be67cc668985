"""What proves the values of one controller: its settings, its inputs, and the last proven value of each channel.

The rules are those of riglog.device: S for settings, E for input errors.
"""

from collections.abc import Iterable, Mapping

from riglog.device.proof_input import MAX_TIME, InputHealth
from riglog.device.proof_reach import LastProven, Reach
from riglog.device.proof_settings import Claim
from riglog.model import NS, Clock
from riglog_watlow.config import WatlowConfig
from riglog_watlow.inputs import is_latched, is_process_signal
from riglog_watlow.parameters import WireValue, registry
from riglog_watlow.protocol import AnyTransactor, WatlowProtocol
from riglog_watlow.samples import NO_INPUT_ERROR, Raw, UnitContext, comparable, error_flag, label_of
from riglog_watlow.targets import Settings, Target

REACH = Reach()


class Proofs:
    """What was proven last about one controller.

    Attributes:
        settings: those of its channels as they were read last, and when.
    """

    def __init__(self, config: WatlowConfig, protocol: WatlowProtocol, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.protocol = protocol
        self.settings = Settings()
        self._contexts: dict[tuple[Target, ...], UnitContext] = {}
        self._inputs: dict[Target, InputHealth] = {}
        self._values: dict[Target, LastProven] = {}

    def forget(self) -> None:
        """Forget everything: the connection was interrupted, or it may be another controller."""
        self.settings.forget()
        self._contexts.clear()
        self._values.clear()
        for health in self._inputs.values():
            health.forget()
        self._limit_all()

    async def learn(self, line: AnyTransactor, settings: Iterable[Target]) -> None:
        """Read settings, before any value is read.

        One that is refused is requested once more: a refusal does not show which request it belongs to.

        Raises:
            DeviceRefusedError, ProtocolError: no reply, or an invalid one.
        """
        self.settings.forget()
        self._contexts.clear()
        self._limit_all()
        protocol = self.protocol
        for block in protocol.group_into_blocks(settings):
            values = await protocol.read(line, block, retries=1)
            for setting in block:
                if setting in protocol.absent:
                    del protocol.absent[setting]
                    values |= await protocol.read(line, (setting,), retries=1)
                raw = values.get(setting)
                at = self.clock.monotonic_ns() / NS if raw is None else raw.at
                self.note(setting, None if raw is None else protocol.adopt(setting, raw), at)

    def health(self, input_error: Target) -> InputHealth:
        """Return what is known about an input."""
        health = self._inputs.get(input_error)
        if health is None:
            health = self._inputs[input_error] = InputHealth()
            self._limit(input_error, health)
        return health

    def _limit_all(self) -> None:
        for input_error, health in self._inputs.items():
            self._limit(input_error, health)

    def _limit(self, input_error: Target, health: InputHealth) -> None:
        """Set the longest time between two checks of an input, which depends on a setting of the controller."""
        latched_check, facts = self.config.latched_check, self.config.facts
        if not isinstance(self.config.input_check, str | None):
            health.max_time = min(self.config.input_check, MAX_TIME)
        if latched_check is not None and facts.error_latch is not None:
            latch = Target(registry(facts.family).find(facts.error_latch[0]), input_error.instance)
            health.max_time = latched_check if is_latched(latch, self.settings, facts) else MAX_TIME

    async def settle(self, line: AnyTransactor) -> None:
        """Check the inputs whose values are held.

        Raises:
            DeviceRefusedError, ProtocolError: not checked.
        """
        for input_error, health in self._inputs.items():
            if health.pending is not None:
                raw = await self.protocol.read_one(line, input_error)
                label = label_of(input_error.parameter, raw.value)
                error = None if label == NO_INPUT_ERROR else error_flag(label)
                health.settle(error, raw.at)
                health.note(error is not None, raw.at)

    def last(self, target: Target) -> LastProven:
        """Return the last proven value of a target."""
        last = self._values.get(target)
        if last is None:
            last = self._values[target] = LastProven(REACH)
        return last

    def note(self, setting: Target, value: WireValue | None, at: float) -> bool:
        """Note a setting that was read; return whether it is not as it was."""
        changed = self.settings.note(setting, value, at)
        if changed:
            self._contexts.clear()
            self._limit_all()
        return changed

    def age(self, settings: Iterable[Target], at: float) -> float:
        """Return the seconds since settings were checked."""
        return self.settings.age(settings, at)

    def context(self, input_settings: tuple[Target, ...]) -> UnitContext:
        """Return the units of what depends on some inputs, according to the settings as they were read last."""
        if input_settings not in self._contexts:
            units = self.protocol.units_from(self.settings)
            signal = is_process_signal(input_settings, self.settings, self.config.facts)
            self._contexts[input_settings] = UnitContext(units, self.config.temperature_unit, signal)
        return self._contexts[input_settings]

    def claim(
        self, target: Target, raw: Raw, companion_labels: Mapping[str, str], input_settings: tuple[Target, ...]
    ) -> Claim:
        """Return what a transmitted value would be under the settings that are known, and under all others."""
        parameter, context = target.parameter, self.context(input_settings)
        assumed = comparable(parameter, raw.value, companion_labels, context)
        others = [
            comparable(parameter, value, companion_labels, UnitContext(units, None, context.is_process_signal))
            for value, units in self.protocol.others(target, raw, context.wire, self.settings)
        ]
        return Claim(assumed, tuple(others), raw.at)
