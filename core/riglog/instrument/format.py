"""The format of the instrument files of one driver: from a file to a checked ``Description``.

A driver states its structs and its own checks; what all drivers share is checked here. Every mistake of a file is
reported, with its key and its line.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any, ClassVar, Generic, cast

from riglog.errors import ConfigError, did_you_mean
from riglog.instrument.description import (
    FORMAT,
    NAME,
    QUANTITY_NAME,
    AnyQuantity,
    Block,
    BlockOptions,
    Description,
    Head,
    LineSettings,
    Quantity,
)
from riglog.instrument.mistakes import Mistakes
from riglog.instrument.source import find_file, read_source
from riglog.instrument.toml_lines import Path
from riglog.instrument.values import Meaning, RawKind, as_raw

MOST_QUANTITIES = 2000
MOST_BITS = 64
LARGEST = 1e30
"""Of a scale and an offset; a scale is at least its reciprocal."""


class Format(ABC, Generic[AnyQuantity]):
    """The instrument files of one driver.

    Attributes:
        driver: its name.
        package: where the files are that it brings along.
        head, line, quantity, options: the structs of the file, of ``[line]``, of a quantity, and of a block.
        block_key: the name of the tables that contain the quantities.
    """

    driver: ClassVar[str]
    package: ClassVar[str]
    block_key: ClassVar[str] = "block"
    head: ClassVar[type[Head]]
    line: ClassVar[type[LineSettings]] = LineSettings
    options: ClassVar[type[BlockOptions]] = BlockOptions
    quantity: type[AnyQuantity]

    @abstractmethod
    def kind(self, quantity: AnyQuantity) -> RawKind:
        """Return what is transmitted for a quantity."""

    def codes(self, quantity: AnyQuantity) -> tuple[float, float] | None:
        """Return the lowest and the highest whole number that can be transmitted; None if there is no limit."""
        return None

    def defaults(self, options: BlockOptions, name: str) -> Mapping[str, Any]:
        """Return the keys that a block states for all of its quantities."""
        return {}

    def check_quantity(
        self, name: str, quantity: AnyQuantity, options: BlockOptions, mistakes: Mistakes, path: Path
    ) -> None:
        """Add the mistakes of a quantity that only the driver knows."""

    def check_top(self, head: Head, line: LineSettings, mistakes: Mistakes) -> None:
        """Add the mistakes at the top of the file, and in ``[line]``, that only the driver knows."""

    def check_block(self, options: BlockOptions, names: Collection[str], mistakes: Mistakes, path: Path) -> None:
        """Add the mistakes of the keys of a block that only the driver knows. ``names``: of its quantities."""

    def check_file(self, description: Description[AnyQuantity], mistakes: Mistakes) -> None:
        """Add the mistakes of the whole file that only the driver knows."""

    def load(self, text: str) -> Description[AnyQuantity]:
        """Return the instrument that a file describes.

        Args:
            text: the path of a file, or the name of one that the driver brings along.

        Raises:
            ExceptionGroup: one ConfigError per mistake in the file.
            ConfigError: a file cannot be read, or is not TOML.
        """
        file = find_file(text, self.package)
        try:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except (OSError, ValueError):
            stamp = (0, 0)
        return cast("Description[AnyQuantity]", _loaded(self, file, stamp))

    def meaning(self, name: str, quantity: AnyQuantity) -> Meaning:
        """Return what the numbers of a quantity mean."""
        return Meaning(name, quantity, self.kind(quantity))

    def read(self, file: FilePath) -> Description[AnyQuantity]:
        """Read and check a file; raises as ``load``."""
        source = read_source(file, self.package)
        mistakes = Mistakes(file, source.places)
        head = mistakes.convert(source.table, self.head, ())
        if head is not None:
            _check_head(head, self.driver, mistakes)
        tables = source.table.get("line", {}), source.table.get(self.block_key, {})
        line = mistakes.convert(tables[0], self.line, ("line",)) if isinstance(tables[0], dict) else None
        if head is not None and line is not None:
            self.check_top(head, line, mistakes)
        blocks = _Blocks(self, mistakes, source.table.get("without", ()))
        blocks.read(tables[1] if isinstance(tables[1], dict) else {})
        if head is not None:
            for position, name in enumerate(head.identity):
                blocks.check_known(name, ("identity", position))
        description: Description[AnyQuantity] | None = None
        if head is not None and line is not None:
            description = Description(head=head, line=line, blocks=tuple(blocks.found), texts=source.texts)
            if not mistakes.found:
                self.check_file(description, mistakes)
            if not mistakes.found and not description.recorded:
                mistakes.add("no channel", (self.block_key,), hint=f"Add a table [{self.block_key}.NAME.channel]")
        mistakes.raise_all()
        assert description is not None  # else there is a mistake
        return description


@lru_cache(maxsize=64)
def _loaded(form: Format[Any], file: FilePath, stamp: tuple[int, int]) -> Description[Any]:
    """Return a file that was read already, unless it was changed since."""
    return form.read(file)


def _check_head(head: Head, driver: str, mistakes: Mistakes) -> None:
    if head.format > FORMAT:
        hint = "Update riglog, or use a file of an older format"
        mistakes.add(
            f"format {head.format} is newer than this riglog, which knows up to {FORMAT}", ("format",), hint=hint
        )
    if head.driver != driver:
        mistakes.add(
            f"the file is for driver {head.driver!r}, not for {driver!r}",
            ("driver",),
            hint="Change driver in the rig file or in the instrument file",
        )


class _Blocks(Generic[AnyQuantity]):
    """The blocks of a file, with the checks between their quantities."""

    def __init__(self, form: Format[AnyQuantity], mistakes: Mistakes, without: object) -> None:
        self.form = form
        self.mistakes = mistakes
        self.found: list[Block[AnyQuantity]] = []
        self.quantities: dict[str, AnyQuantity] = {}
        self.paths: dict[str, Path] = {}
        self._without = [str(name) for name in without] if isinstance(without, list) else []
        self._unread: set[str] = set()

    def read(self, tables: Mapping[str, Any]) -> None:
        for name, table in tables.items():
            path = (self.form.block_key, name)
            if not isinstance(table, dict):
                if path not in self.mistakes:
                    self.mistakes.add("not a table", path, hint=f"Write [{self.form.block_key}.{name}]")
                continue
            channels = table.get("channel", {})
            own = {key: value for key, value in table.items() if key != "channel" or not isinstance(value, dict)}
            options = self.mistakes.convert(own, self.form.options, path)
            channels = channels if isinstance(channels, dict) else {}
            if options is None:
                self._unread.add(name)
            else:
                self.form.check_block(options, {*channels} - {*self._without}, self.mistakes, path)
            self._read_block(name, options or self.form.options(), channels, path)
        for name in self._without:
            if name not in self.paths:
                self.mistakes.add(f"quantity {name!r} unknown", ("without",), hint="Remove it from without")
        for name in self._without:
            self.quantities.pop(name, None)
            self.paths.pop(name, None)
        for block in self.found:
            for name, quantity in block.quantities.items():
                self._check(name, quantity)
                if block.name not in self._unread:  # what follows from wrong keys is no mistake of its own
                    self.form.check_quantity(name, quantity, block.options, self.mistakes, self.paths[name])
        if len(self.paths) > MOST_QUANTITIES:
            self.mistakes.add(
                f"more than {MOST_QUANTITIES} quantities", (self.form.block_key,), hint="Split it into several files"
            )

    def _read_block(self, block: str, options: BlockOptions, channels: Mapping[str, Any], path: Path) -> None:
        made: dict[str, AnyQuantity] = {}
        for name, table in channels.items():
            at = (*path, "channel", name)
            if not QUANTITY_NAME.fullmatch(name):
                self.mistakes.add(f"invalid name {name!r}; expected {NAME}", at, hint="Rename it")
            elif name in self.paths:
                self.mistakes.add(f"{name!r} is also in another block", at, hint="Give every quantity its own name")
            elif isinstance(table, dict):
                self.paths[name] = at
                defaults = self.form.defaults(options, name)
                quantity = self.mistakes.convert({**defaults, **table}, self.form.quantity, at)
                if quantity is not None:
                    self.quantities[name] = quantity
                    if name not in self._without:
                        made[name] = quantity
            else:
                self.mistakes.add("not a table", at, hint=f"Write {name} = {{ … }}")
        self.found.append(Block(name=block, options=options, quantities=made))

    def check_known(self, name: str, path: Path) -> bool:
        """Return whether there is a quantity of this name; add a mistake if there is none."""
        if name in self.paths:
            return True
        hint = did_you_mean(name, self.paths).strip() or f"Add {name} = {{ …, record = false }} to a block"
        self.mistakes.add(f"quantity {name!r} unknown", path, hint=hint)
        return False

    def _check(self, name: str, quantity: AnyQuantity) -> None:
        path = self.paths[name]
        for key, others in (
            ("unit_from", quantity.unit_from),
            ("decimals_from", quantity.decimals_from),
            ("text_from", quantity.text_from),
            ("status_from", quantity.status_from),
        ):
            for other in (others,) if isinstance(others, str) else others or ():
                self._check_reference(name, other, key, (*path, key))
        kind = self.form.kind(quantity)
        _check_numbers(quantity, kind, self.mistakes, path)
        _check_codes(quantity, kind, self.mistakes, path)
        _check_range(quantity, kind, self.form.codes(quantity), self.mistakes, path)
        _check_simulated(quantity, kind, self.mistakes, path)

    def _check_reference(self, name: str, other: str, key: str, path: Path) -> None:
        if not self.check_known(other, path) or other not in self.quantities:
            return
        stated = self.quantities[other]
        if other == name or stated.references:
            self.mistakes.add(
                f"{other} refers to another quantity itself", path, hint="Refer to a quantity that stands for itself"
            )
            return
        needs = {
            "unit_from": stated.units or self.form.kind(stated) == "text",
            "decimals_from": self.form.kind(stated) == "int",
            "text_from": stated.labels or self.form.kind(stated) == "text",
            "status_from": stated.flags or stated.labels,
        }
        if not needs[key]:
            self.mistakes.add(f"{other} states none", path, hint=f"Add {_WHAT_STATES[key]}")


_WHAT_STATES = {
    "unit_from": 'units = { CODE = "degC" } to it, or make it a text',
    "decimals_from": "a quantity that is a whole number",
    "text_from": 'labels = { 0 = "off" } to it, or make it a text',
    "status_from": "flags or labels, and effect, to it",
}


def _check_numbers(quantity: Quantity, kind: RawKind, mistakes: Mistakes, path: Path) -> None:
    for key in ("scale", "offset"):
        if not abs(getattr(quantity, key)) <= LARGEST or abs(quantity.scale) < 1 / LARGEST:
            mistakes.add(
                "must be a finite number, and scale not 0", (*path, key), hint=f"Give {key} = 1.0, for example"
            )
            break
    writable = getattr(quantity, "writable", None)
    for key, pair in (("limits", quantity.limits), ("writable", writable and (writable.min, writable.max))):
        low, high = pair or (None, None)
        numbers = [number for number in (low, high) if number is not None]
        if not all(map(math.isfinite, numbers)) or numbers != sorted(numbers):
            mistakes.add("the lower limit must come first, and both be finite", (*path, key), hint="Exchange them")
    if (quantity.labels or quantity.flags or kind == "text") and (
        quantity.scale != 1 or quantity.offset != 0 or quantity.limits or quantity.decimals_from
    ):
        mistakes.add(
            "scale, offset, limits and decimals_from are for numbers only",
            path,
            hint="Remove them, or remove labels and flags",
        )
    if quantity.text_required and quantity.text_from is None:
        mistakes.add("needs text_from", (*path, "text_required"), hint="Add text_from, or remove text_required")


def _check_codes(quantity: Quantity, kind: RawKind, mistakes: Mistakes, path: Path) -> None:
    for key, codes in (("labels", quantity.labels), ("special", quantity.special)):
        seen: set[object] = set()
        for code in codes:
            try:
                raw = as_raw(code, kind)
            except (ValueError, OverflowError):
                hint = "Write a number in quotes or without, such as 0x8000 or -1"
                mistakes.add(f"code {code[:40]!r} is not a number", (*path, key, code), hint=hint)
                continue
            if raw in seen:
                mistakes.add(f"code {code[:40]!r} occurs twice", (*path, key, code), hint="Remove one of them")
            seen.add(raw)
    for key, texts, most in (("flags", quantity.flags, MOST_BITS), ("glyphs", quantity.glyphs, 256)):
        for code in texts:
            if not (code.isdecimal() and len(code) < 4 and int(code) < most) and not _is_byte(code, key):
                mistakes.add(
                    f"{code[:40]!r} is not a number from 0 to {most - 1}", (*path, key, code), hint="Count from 0"
                )
    if quantity.flags and kind != "int":
        mistakes.add("flags are the bits of a whole number", (*path, "flags"), hint="Use a type such as uint16")
    if quantity.flags and quantity.labels:
        mistakes.add("flags and labels exclude each other", (*path, "labels"), hint="Remove one of them")
    known = {name for names in quantity.flags.values() for name in names.split()} | set(quantity.labels.values())
    for name in quantity.effect:
        if name not in known:
            mistakes.add(
                f"flag or label {name!r} unknown",
                (*path, "effect", name),
                hint=f"Names of flags and labels: {', '.join(sorted(known)) or 'none'}",
            )


def _check_range(
    quantity: Quantity, kind: RawKind, codes: tuple[float, float] | None, mistakes: Mistakes, path: Path
) -> None:
    """Add codes and bits that are never transmitted: without this, what they mean would be taken for a value."""
    if codes is None:
        return
    lowest, highest = codes
    width = int(highest - lowest).bit_length()
    for key, texts in (("labels", quantity.labels), ("special", quantity.special)):
        for code in texts:
            try:
                number = float(as_raw(code, kind))
            except (ValueError, OverflowError):
                continue  # reported already
            if not lowest <= number <= highest:
                mistakes.add(
                    f"code {code[:40]!r} is outside of the type",
                    (*path, key, code),
                    hint=f"The type has the numbers from {lowest:.0f} to {highest:.0f}",
                )
    for code in quantity.flags:
        if code.isdecimal() and len(code) < 3 and width <= int(code) < MOST_BITS:
            mistakes.add(f"bit {code} is outside of the type", (*path, "flags", code), hint=f"It has {width} bits")


def _check_simulated(quantity: Quantity, kind: RawKind, mistakes: Mistakes, path: Path) -> None:
    simulate, known = quantity.simulate, {name for names in quantity.flags.values() for name in names.split()}
    if simulate is None or kind == "text" or simulate == "auto" or str(simulate).startswith("raw:"):
        return
    if isinstance(simulate, str) and (quantity.labels or set(simulate.split()) <= known):
        return
    try:
        numbers = [float(end) for end in (simulate if isinstance(simulate, tuple) else (simulate,))]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        hint = "Give a number, [from, to], a label, or names of flags"
        mistakes.add(f"invalid value {simulate!r:.80}", (*path, "simulate"), hint=hint)


def _is_byte(code: str, key: str) -> bool:
    """True for a code of a character in hexadecimal digits."""
    try:
        return key == "glyphs" and 0 <= int(code, 16) < 256 and code.startswith("0x")
    except ValueError:
        return False


def problems_of(error: BaseException) -> list[ConfigError]:
    """Return the mistakes that ``load`` raised, one by one."""
    if isinstance(error, ExceptionGroup):
        return [problem for inner in error.exceptions for problem in problems_of(inner)]
    assert isinstance(error, ConfigError)
    return [error]
