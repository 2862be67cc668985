"""One instrument: it learns its columns, reads frames, proves the units, and sets the set point."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

from riglog.device import PortDevice, Safety, label_or_number, missing, poll_reads
from riglog.device.proof_settings import KnownSettings
from riglog.errors import DeviceError, MalformedReplyError, UnsupportedError, WriteRefusedError
from riglog.model import NS, Channel, ParameterWrite, Sample, Stamp
from riglog.plugin import DeviceContext
from riglog.protocol import HeldLine, Transactor
from riglog_alicat import protocol
from riglog_alicat.identity import GP, Identity, parse_identity
from riglog_alicat.layout import Column, Layout, parse_layout, places
from riglog_alicat.protocol import Client, Reply, Request
from riglog_alicat.samples import sample_of, setpoint_sample

HAS_UNIT_QUERY, HAS_SETPOINT_QUERY, HAS_FULL_SCALE = (10, 5), (9, 0), (6, 0)
"""The firmware from which on."""
UNIT_CHECK, UNIT_CHECK_LEGACY = 1.0, 60.0
"""Seconds from one check of a unit to the next; older firmware tells them only with the whole table, in a second."""
JUMP = 0.2
"""The part of a value by which it can change from one frame to the next without a check of its unit."""
JUMP_DIGITS = 2
"""The same in units of its last digit, near zero."""
LONGEST_TABLE = 2600
"""Characters: 34 rows."""
TRIES = 3
MEASURED = {34: 2, 36: 4, 37: 5, 38: 6, 39: 7}
"""The statistic whose unit a set point has."""

Line = HeldLine[Request, Reply]


class Alicat(PortDevice[Client]):
    """``layout``: as the instrument has stated it last."""

    def __init__(self, unit_id: str, unit_check: float | None, client: Client, context: DeviceContext) -> None:
        super().__init__(client, context)
        self.unit_id = unit_id
        self.layout = Layout("", (), ())
        self._version = GP
        self._configured_check = unit_check
        self._units: KnownSettings[int, str | None] = KnownSettings()
        self._table_read_at = 0.0
        self._rows: Reply = ()
        self._last: Reply = ()  # the frame whose units were proven last

    async def open(self) -> None:
        async with self.client.hold() as line:
            await self._learn(line)
        self.channels = tuple(
            self.context.channel(key, parameter_id=column.stat, instance=instance, unit=column.unit_name)
            for (key, instance), column in places(self.layout).items()
        )

    async def identity(self, line: Line | None = None) -> str | None:
        return str(await self._identity(line or self.client))

    async def reconnected(self, line: Line | None = None) -> None:
        async with self.client.hold(line) as held:
            if not self.layout.columns or not await self._table_is_as_learnt(held):
                await self._learn(held)

    async def poll(self, line: Line | None = None) -> Sequence[Sample]:
        async with self.client.hold(line) as held:

            async def read(_: None) -> Sequence[Sample]:
                return await self._read(held)

            return await poll_reads([None], lambda _: self.channels, read, self.context.clock)

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        """Write ``setpoint``. Everything is checked before it is sent, and it is read back."""
        if name != "setpoint" or instance != 1:
            raise UnsupportedError(f"{name} cannot be written", hint="Use setpoint", device=self.name)
        self.confirm_change(Safety.PERSISTENT, name, confirm)
        async with self.client.hold() as line:
            await self._learn(line)
            channel, column = self._setpoint_column()
            number = await self._checked(line, column, value)
            sample, _ = await self._setpoint(line, channel, column)
            if sample.value == float(number):
                return sample  # every write wears the memory of the instrument
            write = ParameterWrite(
                parameter=name, old_value=label_or_number(sample), new_value=float(number), unit=column.unit_name
            )
            with self.writing(f"setpoint = {number} {column.unit_name or ''}".rstrip(), write) as confirmed:
                await line.transact(self._write(f"{number:.{column.decimals or 0}f}"))
                sample, _ = await self._setpoint(line, channel, column)
                if sample.value != float(number):
                    raise DeviceError(
                        f"the set point was not accepted: it is {sample.value} {sample.unit}",
                        hint="Look whether it is limited, or set by the analog input",
                        device=self.name,
                    )
                confirmed(label_or_number(sample))
        return sample

    # --- what is learnt

    async def _identity(self, line: Transactor[Request, Reply]) -> Identity:
        return parse_identity((await line.transact(protocol.identity(self.unit_id))).reply)

    async def _learn(self, line: Line) -> None:
        """Read firmware and columns. The table has no checksum: two replies in a row must be equal.

        Raises:
            MalformedReplyError: no two are.
        """
        self._version = (await self._identity(line)).version
        for _ in range(TRIES):
            rows = await self._table(line)
            if rows == await self._table(line, len(rows)):
                break
        else:
            raise MalformedReplyError("the table of columns is different each time")
        self.layout, self._rows, self._last = parse_layout(rows), rows, ()
        self._units.forget()
        self._note_units()

    async def _table(self, line: Line, rows: int = 0) -> Reply:
        """Return the table of columns. Its length is not announced: without ``rows`` it ends with the timeout."""
        seconds = self.client.timeout + self.client.connection.link.seconds(LONGEST_TABLE)
        reply, stamp = await line.transact(protocol.columns(self.unit_id, rows), timeout=seconds)
        self._table_read_at = stamp.monotonic_ns / NS
        return reply

    def _checkable(self) -> Iterable[tuple[int, str]]:
        """Return the statistics whose unit can be read alone, and the unit of the table."""
        if self._version < HAS_UNIT_QUERY:
            return
        for column in self.layout.fields:
            if column.unit is not None and column.stat is not None and column.stat not in MEASURED:
                yield column.stat, column.unit

    async def _unit(self, line: Line, stat: int) -> str:
        reply, stamp = await line.transact(protocol.unit(self.unit_id, stat))
        self._units.note(stat, reply[0], stamp.monotonic_ns / NS)
        return reply[0]

    async def _is_as_learnt(self, line: Line, *, all_of_them: bool) -> bool:
        """Read units again, all or the one that was read longest ago; if one differs, learn everything again and
        return False.
        """
        stats = dict(self._checkable())
        if not stats:
            same = await self._table_is_as_learnt(line)
        else:
            oldest = max(stats, key=self._age_of)
            asked = stats if all_of_them else [oldest]
            same = all([await self._unit(line, stat) == stats[stat] for stat in asked])
        if not same:
            await self._learn(line)
        return same

    def _age_of(self, stat: int) -> float:
        return self._units.age([stat], self.context.clock.monotonic_ns() / NS)

    async def _table_is_as_learnt(self, line: Line) -> bool:
        if await self._table(line, len(self._rows)) != self._rows:
            return False
        self._note_units()
        return True

    def _note_units(self) -> None:
        """Note that the table has stated all units."""
        for stat, label in self._checkable():
            self._units.note(stat, label, self._table_read_at)

    def _age(self) -> float:
        """Return the seconds since the last check."""
        ages = [self._age_of(stat) for stat, _ in self._checkable()]
        return min(ages) if ages else self.context.clock.monotonic_ns() / NS - self._table_read_at

    # --- reading

    async def _read(self, line: Line) -> Sequence[Sample]:
        """Return the samples of one frame. It states no units: they are checked directly after it, unless they were
        checked before and the numbers are about those of the last frame.
        """
        for _ in range(TRIES):
            try:
                reply, stamp = await line.transact(protocol.frame(self.unit_id, self.layout.fields))
            except MalformedReplyError:
                await self._learn(line)  # a column was added or removed, or the reply is damaged
                continue
            jumps = self._jumps(reply)
            known = self._age() < self._unit_check and not jumps
            if known or await self._is_as_learnt(line, all_of_them=jumps or not self._unit_check):
                self._last = reply
                return self._samples(reply, stamp)
        raise MalformedReplyError("the columns or units of the instrument keep changing")

    @property
    def _unit_check(self) -> float:
        if self._configured_check is not None:
            return self._configured_check
        return UNIT_CHECK if self._version >= HAS_UNIT_QUERY else UNIT_CHECK_LEGACY

    def _jumps(self, reply: Reply) -> bool:
        """True if a number is not about that of the last frame: its unit may be another one."""
        if not self._last:
            return True
        for column, old, new in zip(self.layout.fields, self._last, reply, strict=False):
            if column.is_number and "--" not in old + new:
                before = float(old)
                allowed = JUMP * abs(before) + JUMP_DIGITS * 10.0 ** -(column.decimals or 0)
                if abs(float(new) - before) > allowed:
                    return True
        return False

    def _samples(self, reply: Reply, stamp: Stamp) -> list[Sample]:
        fields = self.layout.fields
        flags = reply[len(fields) :]
        tokens = dict(zip(places(self.layout), zip(fields, reply, strict=False), strict=True))
        samples: list[Sample] = []
        for channel in self.channels:
            place = (channel.parameter, channel.instance)
            if place in tokens:
                samples.append(sample_of(channel, *tokens[place], flags, stamp))
            else:
                error = "the instrument does not show this column any more"
                samples += missing([channel], error, self.context.clock, responded=True)
        return samples

    # --- writing

    def _setpoint_column(self) -> tuple[Channel, Column]:
        for (key, instance), column in places(self.layout).items():
            if key == "setpoint" and instance == 1:
                return self.context.channel(key, parameter_id=column.stat, unit=column.unit_name), column
        raise UnsupportedError("the instrument has no set point", hint="Only controllers have one", device=self.name)

    async def _checked(self, line: Line, column: Column, value: str) -> Decimal:
        """Return the set point, if the instrument can have it and would obey it.

        Raises:
            WriteRefusedError: it cannot; nothing was written.
        """
        limit, unit = await self._full_scale(line, column)
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        fits = number.is_finite() and 0 <= number <= Decimal(str(limit))
        if not fits or round(number, column.decimals or 0) != number:
            raise WriteRefusedError(
                f"setpoint: invalid value {value[:40]!r}",
                hint=f"Use 0 to {limit:g} {unit} with at most {column.decimals} decimals",
                device=self.name,
            )
        if self._version >= HAS_UNIT_QUERY:
            (source,) = (await line.transact(protocol.setpoint_source(self.unit_id))).reply
            if source == "A":
                raise WriteRefusedError(
                    "the instrument takes its set point from the analog input",
                    hint="Change the source of the set point at the instrument",
                    device=self.name,
                )
        return number

    async def _full_scale(self, line: Line, column: Column) -> tuple[float, str]:
        """Return the largest set point, in the unit of the set point."""
        limit, label = column.maximum, column.unit
        if self._version >= HAS_FULL_SCALE and column.stat is not None:
            stat = MEASURED.get(column.stat, column.stat)
            number, label = (await line.transact(protocol.full_scale(self.unit_id, stat))).reply
            limit = float(number)
        if not limit or label != column.unit or label is None:
            raise WriteRefusedError(
                "the instrument does not state its full scale", hint="Set it at the instrument", device=self.name
            )
        return limit, column.unit_name or ""

    async def _setpoint(self, line: Line, channel: Channel, column: Column) -> tuple[Sample, Stamp]:
        """Return the set point that was requested last; the one in force follows it on a ramp."""
        if self._version >= HAS_SETPOINT_QUERY:
            (_, requested, label), stamp = await line.transact(protocol.setpoint(self.unit_id))
            if label != column.unit:
                raise MalformedReplyError("the unit of the set point contradicts the table of columns")
        else:
            fields = self.layout.fields
            reply, stamp = await line.transact(protocol.frame(self.unit_id, fields))
            requested = reply[fields.index(column)]
        return setpoint_sample(channel, column, requested, stamp), stamp

    def _write(self, value: str) -> Request:
        if self._version >= HAS_SETPOINT_QUERY:
            return protocol.new_setpoint(self.unit_id, value)
        return protocol.new_setpoint_legacy(self.unit_id, value, self.layout.fields)
