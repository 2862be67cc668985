"""The device of an instrument that a file describes: opening, polling with its proofs, writing.

A driver adds how quantities are read together and how one is written.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple

from msgspec import structs

from riglog.device import DeviceContext, PortDevice, label_or_number, missing, poll_reads
from riglog.device.device import Client
from riglog.device.proof_settings import MAX_CHECK_AGE
from riglog.errors import DeviceError, DeviceRefusedError, ReplyTimeoutError, UnsupportedError, WriteRefusedError
from riglog.instrument.description import (
    TIERS,
    AnyQuantity,
    Description,
    Writable,
    parameter_of,
    quantity_name,
    referring,
)
from riglog.instrument.format import Format
from riglog.instrument.proofs import NO_DECIMALS, Known, Proofs, at
from riglog.instrument.values import Interpretation, Meaning, Raw, Reading, Stated
from riglog.model import NS, Channel, ParameterWrite, Sample, Status
from riglog.protocol import HeldLine

MAX_ATTEMPTS = 4
"""How often a value is read in one poll until it is proven."""
CHANGED = "no value: a setting of the instrument changed while it was read"
UNPROVEN = "unproven"

Group = tuple[str, ...]
"""Quantities that are read together."""


class Step(NamedTuple):
    """One part of a poll: a group, the channels whose values are in it, and what they refer to outside of it."""

    group: Group
    names: Group
    others: Group


class DescribedDevice(PortDevice[Client], Generic[Client, AnyQuantity]):
    """An instrument that a file describes.

    Args:
        selected: the quantities that are channels.

    Attributes:
        absent: quantities that the instrument has refused, and how.
    """

    def __init__(
        self,
        client: Client,
        context: DeviceContext,
        form: Format[AnyQuantity],
        description: Description[AnyQuantity],
        selected: Sequence[str],
    ) -> None:
        super().__init__(client, context)
        self.description = description
        self.quantities = description.quantities
        self.meanings = {name: form.meaning(name, quantity) for name, quantity in self.quantities.items()}
        self.absent: dict[str, DeviceRefusedError] = {}
        self._selected = tuple(selected)
        self._proofs = Proofs(self.quantities, self.meanings)
        self._steps: list[Step] | None = None
        self._by_name: dict[str, Channel] = {}
        if all(self.quantities[name].unit_from is None for name in selected):
            self._declare({name: self.quantities[name].unit for name in selected})

    # --- what a driver adds

    @abstractmethod
    def groups(self, names: Sequence[str]) -> list[Group]:
        """Return the quantities in the groups in which they are read, as far as the instrument has them."""

    @abstractmethod
    async def read(self, line: HeldLine[Any, Any], group: Group, *, retries: int = 0) -> dict[str, Reading]:
        """Read a group. Readings of one reply have the same stamp. What is refused is noted with ``note_absent``.

        Raises:
            ProtocolError, DeviceError: no reply, or an invalid one.
        """

    @abstractmethod
    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        """Send the write of one quantity, once.

        Raises:
            DeviceRefusedError: the instrument refused it.
            ProtocolError: it is not known whether it was executed.
        """

    def transmitted(self, name: str, raw: Raw) -> Raw:
        """Return a number as the instrument can have it, so that it can be compared with what is read back.

        Raises:
            WriteRefusedError: the instrument cannot have it.
        """
        return raw

    def writable(self, name: str) -> Writable | None:
        """Return how a quantity can be set; None if it cannot."""
        return getattr(self.quantities[name], "writable", None)

    def is_readable(self, name: str) -> bool:
        """Return False for a quantity that can only be written."""
        return True

    def note_absent(self, name: str, error: DeviceRefusedError) -> None:
        """Note that the instrument refuses a quantity by itself."""
        self.absent[name] = error
        self._steps = None

    def forget_refusals(self) -> None:
        """Read again what was refused before: it may be another instrument."""

    def regroup(self) -> None:
        """Plan the groups again: the instrument refuses one of them."""
        self._steps = None

    # --- the device

    async def open(self) -> None:
        async with self.client.hold() as line:
            readings = await self._learn(line, list(referring(self.quantities, self._selected)))
        known = Known({}, {}, {name: reading.raw for name, reading in readings.items()})
        for name in self._selected:
            if name in readings:  # what its reply states counts when the next one states it too
                self._proofs.facts_agree(name, readings[name], self._near(name, readings))
        self._declare({name: self._proofs.stated(name, known).unit for name in self._selected})

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        names = self.description.head.identity
        if not names:
            return None
        readings: dict[str, Reading] = {}
        async with self.client.hold(line) as line:
            for group in self.groups(names):
                readings |= await self.read(line, group)
        texts = [self.meanings[name].label(readings[name].raw) for name in names if name in readings]
        return " ".join(text for text in texts if text) or None

    async def reconnected(self, line: HeldLine[Any, Any] | None = None) -> None:
        names = [name for one in self._selected for name in self.quantities[one].references]
        async with self.client.hold(line) as line:
            await self._learn(line, list(dict.fromkeys(names or self._selected[:1])))

    async def poll(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        async with self.client.hold(line) as held:

            async def take(step: Step) -> Sequence[Sample]:
                return await self._take(held, step)

            samples = await poll_reads(self._planned(), self._channels_of, take, self.context.clock)
        found = {sample.channel: sample for sample in samples}
        return [found.get(channel) or self._absent(name, channel) for name, channel in self._by_name.items()]

    async def _learn(self, line: HeldLine[Any, Any], names: Sequence[str]) -> dict[str, Reading]:
        """Read quantities for the first time, and find out which ones the instrument has.

        Raises:
            DeviceError: it has none of them.
            ProtocolError: no reply, or an invalid one.
        """
        self.absent.clear()
        self.forget_refusals()
        self._steps = None
        self._proofs.forget()
        readings: dict[str, Reading] = {}
        for group in self.groups(names):
            readings |= await self.read(line, group, retries=1)
        if names and not readings:
            first = next(iter(self.absent.values()), None)
            raise DeviceError(
                f"the instrument has none of the quantities of {self.description.head.title}"
                + (f": {first.message}" if first else ""),
                hint="Check the instrument file, the address and the model",
            )
        self._proofs.note(readings)
        return readings

    def _planned(self) -> list[Step]:
        """Return the steps of a poll."""
        if self._steps is None:
            present = [name for name in self._selected if name not in self.absent]
            self._steps = []
            for group in self.groups(list(referring(self.quantities, present))):
                names = tuple(name for name in group if name in present)
                others = [ref for name in names for ref in self.quantities[name].references if ref not in group]
                if names:
                    self._steps.append(Step(group, names, tuple(dict.fromkeys(others))))
        return self._steps

    async def _take(self, line: HeldLine[Any, Any], step: Step) -> list[Sample]:
        """Read one group until its values are proven, and what they refer to before and after it."""
        others = [name for name in step.others if name not in self.absent]
        samples: list[Sample] = []
        for _ in range(MAX_ATTEMPTS):
            if others and self._proofs.settings.age(others, self._now()) > MAX_CHECK_AGE:
                await self._check(line, others)
            before = self._proofs.known(others)
            checked = self._now() - self._proofs.settings.age(others, self._now()) if others else 0.0
            readings = await self.read(line, step.group)
            if split := self._split(step, readings, others):
                others += split
                continue
            if others:
                await self._check(line, others)
            after = self._proofs.known([name for name in others if name not in self.absent])
            judged = [self._judged(name, readings, before, after, checked) for name in step.names if name in readings]
            samples = [sample for sample, _ in judged]
            if all(proven for _, proven in judged):
                return samples
        return [self._unproven(sample, proven) for sample, proven in judged] if samples else []

    def _judged(
        self,
        name: str,
        readings: dict[str, Reading],
        before: dict[str, Raw | None],
        after: dict[str, Raw | None],
        checked: float,
    ) -> tuple[Sample, bool | None]:
        """Return the sample of a value, and whether it is proven; None: what it means is not known."""
        reading = readings[name]
        known = Known(before, after, self._near(name, readings).near)
        stated = self._proofs.stated(name, known)
        sample = self._sample(name, reading, stated)
        agreed = self._proofs.facts_agree(name, reading, known)
        if not self._proofs.is_enclosed(name, reading, known, at(reading) - checked):
            return sample, None
        return sample, self._proofs.can_follow(name, sample.value, reading, known) and agreed

    def _near(self, name: str, readings: dict[str, Reading]) -> Known:
        """Return what the reply of a value states about it."""
        stamp = readings[name].stamp
        near = [ref for ref in self.quantities[name].references if ref in readings and readings[ref].stamp is stamp]
        return Known({}, {}, {ref: readings[ref].raw for ref in near})

    def _sample(self, name: str, reading: Reading, stated: Stated) -> Sample:
        return sample_of(self._by_name[name], reading, self.meanings[name].interpret(reading, stated))

    @staticmethod
    def _unproven(sample: Sample, proven: bool | None) -> Sample:
        if proven is None:
            return structs.replace(sample, value=None, text=None, unit=None, status=Status.MISSING, error=CHANGED)
        if proven or sample.value is None:
            return sample
        status = Status.SUSPECT if sample.status is Status.OK else sample.status
        return structs.replace(sample, status=status, flags=(*sample.flags, UNPROVEN))

    def _split(self, step: Step, readings: dict[str, Reading], others: Sequence[str]) -> list[str]:
        """Return references that came in another reply than their value, although they were to be read together."""
        split = [
            ref
            for name in step.names
            if name in readings
            for ref in self.quantities[name].references
            if ref not in others and ref in readings and readings[ref].stamp is not readings[name].stamp
        ]
        return list(dict.fromkeys(split))

    async def _check(self, line: HeldLine[Any, Any], names: Sequence[str]) -> None:
        """Read references again."""
        for group in self.groups([name for name in names if name not in self.absent]):
            self._proofs.note(await self.read(line, group))

    def _now(self) -> float:
        return self.context.clock.monotonic_ns() / NS

    def _channels_of(self, step: Step) -> list[Channel]:
        return [self._by_name[name] for name in step.names]

    def _declare(self, units: Mapping[str, str | None]) -> None:
        """Declare the channels, with the units that are expected."""
        self._by_name = {name: self._channel(name, unit) for name, unit in units.items()}
        self.channels = tuple(self._by_name.values())

    def _channel(self, name: str, unit: str | None) -> Channel:
        parameter, instance = parameter_of(name)
        return self.context.channel(parameter, instance=instance, unit=unit)

    def _absent(self, name: str, channel: Channel) -> Sample:
        refusal = self.absent.get(name)
        error = refusal.message if refusal is not None else "no value in the reply"
        return missing([channel], error, self.context.clock, responded=None if refusal is not None else True)[0]

    # --- writing

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        quantity = quantity_name(name, instance)
        if not any(self.writable(one) for one in self.quantities):
            raise UnsupportedError("the instrument file has no quantity that can be set", device=self.name)
        limits = self.writable(quantity) if quantity in self.quantities else None
        if limits is None:
            settable = ", ".join(one for one in self.quantities if self.writable(one))
            raise WriteRefusedError(f"{quantity} cannot be set", hint=f"Quantities that can be set: {settable}")
        self.confirm_change(TIERS[limits.tier], f"writing {quantity}", confirm)
        async with self.client.hold() as line:
            return await self._set(line, quantity, value, limits)

    async def _set(self, line: HeldLine[Any, Any], name: str, value: str, limits: Writable) -> Sample | None:
        """Check, send once, and read back."""
        meaning, quantity = self.meanings[name], self.quantities[name]
        before = await self._read_references(line, name)
        stated = self._proofs.stated(name, before)
        if quantity.decimals_from is not None and stated.decimals is None:
            raise WriteRefusedError(NO_DECIMALS, hint="Nothing was sent. Read the instrument first")
        raw = self.transmitted(name, meaning.to_send(value, stated.decimals))
        _check_limits(name, meaning, raw, stated.decimals, limits)
        old: float | str | None = None
        if self.is_readable(name):
            present = await self._read_alone(line, name)
            if present.raw == raw:
                return await self._read_back(line, name)
            old = label_or_number(meaning.interpret(present, stated))
        unit = f" {stated.unit}" if stated.unit else ""
        parameter, instance = parameter_of(name)
        write = ParameterWrite(
            parameter=parameter, instance=instance, old_value=old, new_value=value, unit=stated.unit or None
        )
        with self.writing(f"{name} = {value}{unit}", write) as confirmed:
            sample = await self._written(line, name, raw, before)
            if sample is not None:
                confirmed(label_or_number(sample))
        return sample

    async def _written(self, line: HeldLine[Any, Any], name: str, raw: Raw, before: Known) -> Sample | None:
        """Send a value once, and read it back; None if it cannot be read."""
        try:
            await self.write(line, name, raw)
        except ReplyTimeoutError as error:
            if not self.is_readable(name):
                error.hint = "It may have been executed. Check the instrument before repeating it"
                raise
        if not self.is_readable(name):
            return None
        after = await self._read_references(line, name)
        found = await self._read_alone(line, name)
        if found.raw != raw or after != before:
            raise DeviceError(
                f"{name}: read back {found.raw} after writing {raw}",
                hint="The instrument limited or rejected the value, or a setting was changed; read it and compare",
            )
        return await self._read_back(line, name)

    async def _read_references(self, line: HeldLine[Any, Any], name: str) -> Known:
        await self._check(line, self.quantities[name].references)
        found = self._proofs.known([ref for ref in self.quantities[name].references if ref not in self.absent])
        return Known(found, found, {})

    async def _read_alone(self, line: HeldLine[Any, Any], name: str) -> Reading:
        (group,) = self.groups([name])
        readings = await self.read(line, group, retries=1)
        if name not in readings:
            raise self.absent[name]
        return readings[name]

    async def _read_back(self, line: HeldLine[Any, Any], name: str) -> Sample:
        reading = await self._read_alone(line, name)
        known = await self._read_references(line, name)
        meant = self.meanings[name].interpret(reading, self._proofs.stated(name, known))
        return sample_of(self._channel(name, meant.unit), reading, meant)


def sample_of(channel: Channel, reading: Reading, meant: Interpretation) -> Sample:
    """Return the sample of a reading."""
    return Sample(
        channel=channel,
        stamp=reading.stamp,
        value=meant.value,
        unit=meant.unit,
        status=meant.status,
        flags=meant.flags,
        error=meant.error,
        text=meant.text,
        raw=reading.payload,
    )


def _check_limits(name: str, meaning: Meaning, raw: Raw, decimals: int | None, limits: Writable) -> None:
    """Refuse a value outside the limits of the instrument file.

    Raises:
        WriteRefusedError: it is; nothing was sent.
    """
    if meaning.labels or isinstance(raw, str):
        return
    value = meaning.scaled(raw, decimals)
    low = limits.min if limits.min is not None else float("-inf")
    high = limits.max if limits.max is not None else float("inf")
    if value is None or not low <= value <= high:
        raise WriteRefusedError(
            f"{raw if value is None else value:g} is outside the range {low:g} to {high:g} of {name}",
            hint="Nothing was sent",
        )
