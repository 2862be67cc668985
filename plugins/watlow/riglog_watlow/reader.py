"""Reading channels over one line, and proving each value before it is published."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter, methodcaller
from typing import NamedTuple

from msgspec import structs

from riglog.device import missing, poll_reads
from riglog.device.proof_input import UNCHECKED
from riglog.device.proof_settings import Claim, Verdict, after_check, before_check
from riglog.model import NS, OK, Channel, Clock, PendingProof, Sample, Status
from riglog_watlow.channel_read import ChannelRead, Group, PollPlan, grouped
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.proofs import Proofs
from riglog_watlow.protocol import AnyTransactor, Block
from riglog_watlow.samples import INPUT_ERROR, NO_INPUT_ERROR, Raw, UnitContext, error_flag, label_of, sample_of
from riglog_watlow.targets import Target

MAX_ATTEMPTS = 3
"""How often a value is read in one poll until it is proven."""

CHECK_AFTER = 0.9
"""Seconds after which the next poll checks the settings: a little less than a check counts."""

CHANGED = "no value: a setting of the controller changed while it was read"


class Relearned(NamedTuple):
    """What is to be read after the layout of a controller was found again."""

    plan: PollPlan
    channel_read: Callable[[ChannelRead], ChannelRead]


Relearn = Callable[[AnyTransactor], Awaitable[Relearned]]


class Step(NamedTuple):
    """One part of a poll; if it fails, its channels have no value."""

    channels: tuple[Channel, ...]
    take: Callable[[], Awaitable[Sequence[Sample]]]


CHANNELS_OF, TAKE = attrgetter("channels"), methodcaller("take")
NO_LABELS: Mapping[str, str] = {}


class Reader:
    """Reads channels over one line. It lives for one poll or one call: no value is kept for the next.

    Args:
        proofs: what is known about the controller.
        plan: the blocks in which its channels are read; others are read by themselves.
        relearn: finds the layout of the controller again.
        retries: of each read without a reply.
        steady: the caller polls at a steady rate: a value may be held until a check in one of the next polls.
    """

    def __init__(
        self,
        line: AnyTransactor,
        proofs: Proofs,
        plan: PollPlan,
        relearn: Relearn,
        clock: Clock,
        *,
        retries: int = 0,
        steady: bool = False,
    ) -> None:
        self.line = line
        self.proofs = proofs
        self.protocol = proofs.protocol
        self.clock = clock
        self.values: dict[Target, Raw] = {}
        self._plan = plan
        self._relearn = relearn
        self._retries = retries
        self._steady = steady
        self._held: dict[Target, PendingProof] = {}  # by input error
        self._blocks: Mapping[Target, Block] = plan.blocks
        self._pending: list[ChannelRead] = []  # read, but not proven yet
        self._claims: dict[Target, tuple[Raw, Claim]] = {}
        self._unchecked: set[Channel] = set()
        self._is_one_call = False
        self._current: Callable[[ChannelRead], ChannelRead] = lambda read: read

    async def poll(self) -> list[Sample]:
        """Read all channels of the plan: one sample for each; what cannot be read is a missing sample."""
        if self.proofs.age(self._plan.settings, self._now()) > CHECK_AFTER:
            self._blocks = self._plan.check_blocks
        return await self._run(self._steps(self._plan.groups, 1))

    async def each(self, reads: Iterable[ChannelRead]) -> list[Sample]:
        """Read channels in their order; what cannot be read is a missing sample."""
        reads = list(reads)
        samples = {sample.channel: sample for sample in await self._run(self._steps(grouped(reads), 1))}
        return [samples[read.channel] for read in reads]

    async def sample(self, read: ChannelRead) -> Sample:
        """Read a channel.

        Raises:
            ParameterAbsentError: the model does not have the parameter; nothing was sent if that was known.
            DeviceRefusedError, ProtocolError: no value.
        """
        if read.target in self.protocol.absent:
            raise self.protocol.absent_error(read.target, known=True)
        self._is_one_call = True
        (sample,) = (await self._run(self._steps(grouped([read]), 1)))[-1:]
        return sample

    async def read_context(self, read: ChannelRead) -> None:
        """Read what decides the meaning of a channel, as it is now.

        Raises:
            ParameterAbsentError: the model does not have a parameter that is needed.
            DeviceRefusedError, ProtocolError: not read.
        """
        await self._check_settings(dict.fromkeys(read.settings, self._now()))
        await self._fetch(read.companions)

    def companion_labels(self, read: ChannelRead) -> Mapping[str, str]:
        """Return the labels of what the channel depends on, by name."""
        if not read.companions:
            return NO_LABELS
        return {
            target.parameter.name: label_of(target.parameter, self.values[target].value)
            for target in read.companions
            if target not in self._held
        }

    def unit_context(self, read: ChannelRead) -> UnitContext:
        """Return the units of a channel, according to the last check."""
        return self.proofs.context(read.input_settings)

    def again(self) -> "Reader":
        """Return a reader that has read nothing yet."""
        return Reader(self.line, self.proofs, self._plan, self._relearn, self.clock, retries=self._retries)

    def _run(self, steps: Iterable[Step]) -> Awaitable[list[Sample]]:
        return self._take_all(steps) if self._is_one_call else poll_reads(steps, CHANNELS_OF, TAKE, self.clock)

    async def _take_all(self, steps: Iterable[Step]) -> list[Sample]:
        return [sample for step in steps for sample in await step.take()]

    def _steps(self, groups: Iterable[Group], attempt: int) -> Iterator[Step]:
        """Yield the parts of a poll. Each is made when those before it are done."""
        for group in groups:
            reads = group.reads
            faulty: list[Channel] = []
            if attempt == 1 and group.input_error and self.proofs.health(group.input_error).is_to_be_checked_first:
                yield Step(_channels(reads), partial(self._check_input, group, faulty))
            for read in reads:
                if read.channel not in faulty:
                    yield Step((read.channel,), partial(self._read_value, read))
            waiting = [read for read in reads if group.companions and read.target in self.values]
            if waiting and not faulty:
                if self._is_held(group, waiting, attempt):
                    yield Step(_channels(waiting), partial(self._hold, waiting))
                else:
                    yield Step(_channels(waiting), partial(self._read_companions, group, waiting))
        if self._pending:
            yield Step(_channels(self._pending), partial(self._settle, attempt))

    async def _read_value(self, read: ChannelRead) -> list[Sample]:
        if read.target in self.protocol.absent:  # nothing is requested, so the device does not respond
            error = self.protocol.absent_error(read.target, known=True)
            return missing([read.channel], error.message, self.clock, responded=None)
        await self._fetch([read.target])
        return [] if read.companions else self._publish_if_proven(read)

    async def _check_input(self, group: Group, faulty: list[Channel]) -> list[Sample]:
        """Read the error of an input before its values: it had one, or nothing is known about it."""
        (input_error,) = group.companions
        try:
            await self._fetch(group.companions)
        except ParameterAbsentError:
            return []  # its values are not read as values either
        raw = self.values[input_error]
        label = label_of(input_error.parameter, raw.value)
        self._settle_held(group)
        self.proofs.health(input_error).note(label != NO_INPUT_ERROR, raw.at)
        if label != NO_INPUT_ERROR:
            faulty += _channels(group.reads)
            return [self._sample(read, raw) for read in group.reads]
        self._forget([*group.companions, *(read.target for read in group.reads)])
        return []

    def _is_held(self, group: Group, waiting: Sequence[ChannelRead], attempt: int) -> bool:
        """Return whether values can wait for a check of their input in one of the next polls: they continue the last.

        Not where the error comes in one block with the value.
        """
        if group.input_error is None:
            return False
        self._held.pop(group.input_error, None)
        health = self.proofs.health(group.input_error)
        health.note_value(max(self.values[read.target].at for read in waiting))
        if not self._steady or attempt > 1 or len(group.companions) > 1 or group.input_error in self.values:
            return False
        pending = health.hold() if all(map(self._is_reached, waiting)) else None
        if pending is not None:
            self._held[group.input_error] = pending
        return pending is not None

    def _is_reached(self, read: ChannelRead) -> bool:
        raw = self.values[read.target]
        claim = self._claims[read.target] = raw, self.proofs.claim(read.target, raw, {}, read.input_settings)
        return self.proofs.last(read.target).reaches(claim[1].assumed, raw.at)

    async def _hold(self, waiting: Sequence[ChannelRead]) -> list[Sample]:
        return [sample for read in waiting for sample in self._publish_if_proven(read)]

    async def _read_companions(self, group: Group, waiting: Sequence[ChannelRead]) -> list[Sample]:
        """Read what the values of a group depend on; read them again until it is the same before and after them."""
        samples: list[Sample] = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            newest = max(self.values[read.target].at for read in waiting)
            self._forget(one for one in group.companions if one in self.values and self.values[one].at < newest)
            await self._fetch(group.companions)
            changed = self._note_companions(group.companions)
            self._settle_held(group)
            again = []
            for read in waiting:
                if self._is_faulty(read):
                    samples.append(self._sample(read, self.values[read.target]))
                elif not changed and self._input_proves(read):
                    samples += self._publish_if_proven(read)
                else:
                    again.append(read)
            if group.input_error:
                label = self._label(group.input_error)
                health = self.proofs.health(group.input_error)
                health.note(label != NO_INPUT_ERROR, self.values[group.input_error].at)
            if not again:
                return samples
            if attempt < MAX_ATTEMPTS:
                waiting = again
                for read in again:
                    self._note_to_confirm(read)
                self._forget([*group.companions, *(read.target for read in again)])
                for read in again:
                    await self._fetch([read.target])
        if changed:
            return samples + missing(_channels(again), CHANGED, self.clock, responded=True)
        self._unchecked.update(_channels(again))
        return samples + [sample for read in again for sample in self._publish_if_proven(read)]

    def _settle_held(self, group: Group) -> None:
        """Decide about the values of earlier polls; if they are not proven, nothing can follow them."""
        if group.input_error is None:
            return
        label = self._label(group.input_error)
        error = None if label == NO_INPUT_ERROR else error_flag(label)
        health = self.proofs.health(group.input_error)
        if not health.settle(error, self.values[group.input_error].at):
            for read in group.reads:
                self.proofs.last(read.target).forget()

    def _note_companions(self, companions: Iterable[Target]) -> bool:
        """Note the settings among the companions; return whether one is not as it was."""
        settings = [one for one in companions if one.parameter.name != INPUT_ERROR]
        changed = [self.proofs.note(one, self.values[one].value, self.values[one].at) for one in settings]
        return any(changed)

    def _input_proves(self, read: ChannelRead) -> bool:
        if read.input_error is None:
            return True
        claim = self._claim(read)
        last = self.proofs.last(read.target)
        reached = last.reaches(claim.assumed, claim.at) or last.is_confirmed(claim.assumed, claim.at)
        return self.proofs.health(read.input_error).proves(self.values[read.input_error].at, reached=reached)

    def _is_faulty(self, read: ChannelRead) -> bool:
        return read.input_error is not None and self._label(read.input_error) != NO_INPUT_ERROR

    def _note_to_confirm(self, read: ChannelRead) -> None:
        claim = self._claim(read)
        self.proofs.last(read.target).is_to_confirm(claim.assumed, claim.at)

    def _publish_if_proven(self, read: ChannelRead) -> list[Sample]:
        """Return the sample of a channel, unless its settings must be checked first."""
        if not read.settings:
            return [self._proven(read)]
        raw = self.values[read.target]
        claim = self._claim(read)
        age = self.proofs.age(read.settings, raw.at)
        is_proven = before_check(claim, self.proofs.last(read.target), age) is Verdict.PROVEN
        if is_proven and not self.unit_context(read).is_invalid:
            return [self._proven(read)]
        self._pending.append(read)
        return []

    async def _settle(self, attempt: int) -> list[Sample]:
        """Check the settings of what is not proven yet, and read again what a changed setting concerns."""
        waiting, self._pending = self._pending, []
        claims = {read.channel: self._claim(read) for read in waiting}
        ages = {read.channel: self.proofs.age(read.settings, self.values[read.target].at) for read in waiting}
        newest: dict[Target, float] = {}
        for read in waiting:
            for setting in read.settings:
                newest[setting] = max(newest.get(setting, 0.0), self.values[read.target].at)
        changed = await self._check_settings(newest)
        samples: list[Sample] = []
        again: list[ChannelRead] = []
        for read in waiting:
            claim, last = claims[read.channel], self.proofs.last(read.target)
            has_changed = not changed.isdisjoint(read.settings)
            if after_check(claim, last, ages[read.channel], has_changed) is Verdict.PROVEN:
                samples.append(self._proven(read))
            elif attempt < MAX_ATTEMPTS:
                if not has_changed:
                    self._note_to_confirm(read)
                again.append(read)
            elif has_changed:
                samples += missing([read.channel], CHANGED, self.clock, responded=True)
            else:
                self._unchecked.add(read.channel)
                samples.append(self._proven(read))
        if again:
            self._forget(target for read in again for target in (read.target, *read.companions))
            again = [self._current(read) for read in again]
            samples += await self._run(self._steps(grouped(again), attempt + 1))
        return samples

    async def _check_settings(self, settings: Mapping[Target, float]) -> set[Target]:
        """Return the settings that are not as they were. Each is read, unless it was read after a given time."""
        self._forget(one for one, newest in settings.items() if one in self.values and self.values[one].at < newest)
        changed = set()
        for setting in settings:
            try:
                await self._fetch([setting])
            except ParameterAbsentError:
                if self.proofs.settings.get(setting) is not None:  # it was there: this is another layout
                    return await self._find_layout(settings)
                self.proofs.note(setting, None, self._now())
                continue
            raw = self.values[setting]
            value = self.protocol.adopt(setting, raw)
            if value is None:
                return await self._find_layout(settings)
            if self.proofs.note(setting, value, raw.at):
                changed.add(setting)
        return changed

    async def _find_layout(self, settings: Iterable[Target]) -> set[Target]:
        relearned = await self._relearn(self.line)
        self._plan, self._current = relearned.plan, relearned.channel_read
        self._blocks = self._plan.check_blocks
        self.values.clear()
        return set(settings)

    async def _fetch(self, targets: Iterable[Target]) -> None:
        """Read the blocks of what has not been read yet.

        Raises:
            ParameterAbsentError: the model does not have a parameter.
            DeviceRefusedError, ProtocolError: no values; the next channel of the same block reads it again.
        """
        for target in targets:
            if target in self.values:
                continue
            known = target in self.protocol.absent
            if not known:
                block = self._blocks.get(target, (target,))
                read = await self.protocol.read(self.line, block, retries=self._retries)
                self.values = read | self.values  # what the checks so far were for stays as it is
            if target not in self.values:
                raise self.protocol.absent_error(target, known=known)

    def _forget(self, targets: Iterable[Target]) -> None:
        for target in list(targets):
            self.values.pop(target, None)

    def _claim(self, read: ChannelRead) -> Claim:
        """Return what the value of a channel would be under the settings that were known before."""
        raw = self.values[read.target]
        claimed = self._claims.get(read.target)
        if claimed is None or claimed[0] is not raw:
            claim = self.proofs.claim(read.target, raw, self.companion_labels(read), read.input_settings)
            claimed = self._claims[read.target] = (raw, claim)
        return claimed[1]

    def _label(self, target: Target) -> str:
        return label_of(target.parameter, self.values[target].value)

    def _now(self) -> float:
        return self.clock.monotonic_ns() / NS

    def _proven(self, read: ChannelRead) -> Sample:
        """Return the sample of a value after its checks, and follow it from now on."""
        raw = self.values[read.target]
        sample = self._sample(read, raw)
        if read.channel in self._unchecked and sample.value is not None:
            flags = (*sample.flags, "unchecked")
            return structs.replace(sample, status=Status.SUSPECT, flags=flags, error=UNCHECKED)
        if sample.status is OK:
            claim = self._claim(read)
            self.proofs.last(read.target).prove(claim.assumed, claim.at)
            if self._held and read.input_error in self._held:
                return structs.replace(sample, proof=self._held[read.input_error])
        return sample

    def _sample(self, read: ChannelRead, raw: Raw) -> Sample:
        return sample_of(read.channel, read.target.parameter, raw, self.companion_labels(read), self.unit_context(read))


def _channels(reads: Iterable[ChannelRead]) -> tuple[Channel, ...]:
    return tuple(read.channel for read in reads)
