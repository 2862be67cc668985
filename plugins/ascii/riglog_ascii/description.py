"""The instrument files of the driver: their keys, and the checks that only requests and replies need. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from riglog.errors import ConfigError
from riglog.instrument import BlockOptions, Description, Format, Head, LineSettings, Mistakes, RawKind
from riglog.instrument.description import Instead
from riglog_ascii.checks import CheckKind, LineCheck
from riglog_ascii.samples import RAW_KINDS, AsciiQuantity
from riglog_ascii.templates import ADDRESS, IGNORED, VALUE, FieldKind, Template, parse

Line = Annotated[str, Meta(min_length=1, max_length=200)]
Terminator = Annotated[str, Meta(min_length=1, max_length=2, description='a text such as "\\r\\n"')]
STREAM_ENDS = frozenset({"\r", "\n", "\r\n"})


class AsciiLine(LineSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How lines end, and what comes back.

    ``reply_terminator``: if it is another one than that of requests. ``address_digits``: of ``{address}``, with zeros
    in front. ``echo``: the instrument repeats each request. ``period``: seconds between two lines without request.
    ``checksum``: hexadecimal digits at the end of each line, behind ``checksum_mark``, over all characters but the
    first ``checksum_skip``.
    """

    terminator: Terminator = "\r\n"
    reply_terminator: Terminator | None = None
    address_digits: Annotated[int, Meta(ge=1, le=3)] = 1
    echo: bool = False
    period: Annotated[float, Meta(gt=0, le=86_400)] = 1.0

    checksum: CheckKind | None = None
    checksum_mark: Annotated[str, Meta(max_length=4)] = ""
    checksum_skip: Annotated[int, Meta(ge=0, le=4)] = 0

    @property
    def check(self) -> LineCheck | None:
        if self.checksum is None:
            return None
        return LineCheck(self.checksum, self.checksum_mark.encode("latin-1"), self.checksum_skip)

    @property
    def reply_end(self) -> str:
        return self.reply_terminator or self.terminator


class ReadOptions(BlockOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request and the forms of its reply.

    ``request``: without it the line comes without a request. ``instead``: what is sent in place of a value.
    """

    request: Line | None = None
    replies: tuple[Line, ...] = ()
    instead: dict[str, Instead] = msgspec.field(default_factory=dict)


class AsciiHead(Head, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys at the top of the file. ``errors``: replies to any request that mean that it was not executed."""

    read: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    errors: dict[str, str] = msgspec.field(default_factory=dict)


class Read(Struct, frozen=True, cache_hash=True):
    """One request with its replies; ``request`` is None for a line that comes without one."""

    name: str
    request: Template | None
    replies: tuple[Template, ...]
    instead: tuple[tuple[Template, Instead], ...]

    @property
    def fields(self) -> dict[str, FieldKind]:
        return {name: kind for reply in self.replies for name, kind in reply.fields.items()}


class AsciiFormat(Format[AsciiQuantity]):
    driver: ClassVar[str] = "ascii"
    package: ClassVar[str] = "riglog_ascii"
    block_key: ClassVar[str] = "read"
    head: ClassVar[type[Head]] = AsciiHead
    line: ClassVar[type[LineSettings]] = AsciiLine
    options: ClassVar[type[BlockOptions]] = ReadOptions
    quantity = AsciiQuantity

    def kind(self, quantity: AsciiQuantity) -> RawKind:
        return RAW_KINDS[quantity.kind]

    def defaults(self, options: BlockOptions, name: str) -> Mapping[str, Any]:
        kinds = [kind for reply in _templates(options) for field, kind in reply.fields.items() if field == name]
        return {"kind": kinds[0]} if kinds else {}

    def check_quantity(
        self, name: str, quantity: AsciiQuantity, options: BlockOptions, mistakes: Mistakes, path: tuple[str | int, ...]
    ) -> None:
        assert isinstance(options, ReadOptions)
        templates = list(_templates(options))
        kinds = {kind for reply in templates for field, kind in reply.fields.items() if field == name}
        if kinds != {quantity.kind} and templates and len(templates) == len(options.replies):
            mistakes.add(
                f"no reply has a field {name!r} of kind {quantity.kind!r}",
                path,
                hint=f"Write {{{name}:{quantity.kind}}} into replies, or remove the quantity",
            )
        if quantity.writable is not None:
            _check_templates(mistakes, (*path, "writable"), quantity.writable.request, quantity.writable.replies)
            if f"{{{VALUE}}}" not in quantity.writable.request:
                mistakes.add("no {value}", (*path, "writable", "request"), hint="Write {value} where the number stands")

    def check_top(self, head: Head, line: LineSettings, mistakes: Mistakes) -> None:
        assert isinstance(head, AsciiHead)
        assert isinstance(line, AsciiLine)
        _check_line(line, mistakes)
        for text in head.errors:
            mistakes.attempt(_parser(text), ("errors", text))

    def check_block(
        self, options: BlockOptions, names: Collection[str], mistakes: Mistakes, path: tuple[str | int, ...]
    ) -> None:
        assert isinstance(options, ReadOptions)
        _check_templates(mistakes, path, options.request, options.replies, options.instead)
        if f"{{{VALUE}}}" in (options.request or ""):
            mistakes.add(
                "{value} in a request that reads",
                (*path, "request"),
                hint="Remove it, or move the request to writable of a quantity",
            )
        if not options.replies:
            mistakes.add("no replies", path, hint='Add replies = ["{flow:number}"]')
        for name in {field for reply in _templates(options) for field in reply.fields} - {*names, ADDRESS}:
            mistakes.add(
                f"field {name!r} is not a quantity",
                (*path, "replies"),
                hint=f"Add it to [read.{path[1]}.channel], or write {{{IGNORED}:…}} to ignore it",
            )

    def check_file(self, description: Description[AsciiQuantity], mistakes: Mistakes) -> None:
        assert isinstance(description.head, AsciiHead)
        assert isinstance(description.line, AsciiLine)
        streams = []
        requests: dict[str | None, str] = {}
        for block in description.blocks:
            path = ("read", block.name)
            options = block.options
            assert isinstance(options, ReadOptions)
            streams.append(options.request is None)
            _check_ends(description.line, options, mistakes, path)
            if options.request is not None and options.request in requests:
                mistakes.add(
                    "the same request as that of another read",
                    (*path, "request"),
                    hint=f"Put the quantities of both into [read.{requests[options.request]}]",
                )
            requests[options.request] = block.name
            if options.request is None and any("\n" in reply for reply in options.replies):
                hint = "Describe each line by a [read.NAME] of its own"
                mistakes.add("replies of several lines need a request", (*path, "replies"), hint=hint)
            if len({reply.count("\n") for reply in options.replies}) > 1:
                hint = "Describe the others in instead, or in [errors]"
                mistakes.add("replies with different numbers of lines", (*path, "replies"), hint=hint)
        if any(streams) and not all(streams):
            mistakes.add("lines with and without a request", ("read",), hint="Use two files, and two ports")
        if any(streams) and description.line.reply_end not in STREAM_ENDS:
            mistakes.add(
                "lines without a request end with CR, LF or both", ("line", "terminator"), hint="Use one of these"
            )


def reads_of(description: Description[AsciiQuantity], address: str) -> list[Read]:
    """Return the reads of an instrument with an address."""
    reads = []
    for block in description.blocks:
        options = block.options
        assert isinstance(options, ReadOptions)
        request = None if options.request is None else parse(options.request, plain=True).filled(address=address)
        replies = tuple(parse(text).filled(address=address) for text in options.replies)
        instead = tuple((parse(text).filled(address=address), what) for text, what in options.instead.items())
        reads.append(Read(block.name, request, replies, instead))
    return reads


def errors_of(description: Description[AsciiQuantity], address: str) -> tuple[tuple[Template, str], ...]:
    """Return the error replies, and what they mean."""
    assert isinstance(description.head, AsciiHead)
    return tuple((parse(text).filled(address=address), meaning) for text, meaning in description.head.errors.items())


def line_of(description: Description[AsciiQuantity]) -> AsciiLine:
    """Return how lines end, and what comes back."""
    assert isinstance(description.line, AsciiLine)
    return description.line


def options_of(description: Description[AsciiQuantity], name: str) -> ReadOptions:
    """Return the request and the replies of a quantity."""
    options = next(block.options for block in description.blocks if name in block.quantities)
    assert isinstance(options, ReadOptions)
    return options


def streams(description: Description[AsciiQuantity]) -> bool:
    """Return whether the instrument sends without requests."""
    return all(getattr(block.options, "request", None) is None for block in description.blocks)


def has_address(description: Description[AsciiQuantity]) -> bool:
    """Return whether requests contain the address, so that several instruments share a line."""
    requests = [getattr(block.options, "request", None) for block in description.blocks]
    return any(request and f"{{{ADDRESS}}}" in request for request in requests)


def _templates(options: BlockOptions) -> Iterator[Template]:
    assert isinstance(options, ReadOptions)
    for text in options.replies:
        try:
            yield parse(text)
        except ConfigError:
            continue


def _check_templates(
    mistakes: Mistakes,
    path: tuple[str | int, ...],
    request: str | None,
    replies: tuple[str, ...],
    instead: Mapping[str, str] = {},
) -> None:
    """Add the mistakes in a request and in its replies."""
    if request is not None:
        mistakes.attempt(_parser(request, plain=True), (*path, "request"))
    for number, text in enumerate(replies):
        mistakes.attempt(_parser(text), (*path, "replies", number))
    for text in instead:
        mistakes.attempt(_parser(text), (*path, "instead", text))


def _check_line(line: AsciiLine, mistakes: Mistakes) -> None:
    for key in ("terminator", "reply_terminator", "checksum_mark"):
        text = getattr(line, key) or ""
        if any(ord(sign) > 0xFF for sign in text):
            mistakes.add(f"text {text!r} cannot be sent", ("line", key), hint="Use characters of Latin-1 only")
        elif key != "checksum_mark" and any(sign.isalnum() or sign in " +-." for sign in text):
            mistakes.add(
                f"terminator {text!r} can be part of a line",
                ("line", key),
                hint="Give the characters that end a line, such as CR and LF",
            )


def _check_ends(line: AsciiLine, options: ReadOptions, mistakes: Mistakes, path: tuple[str | int, ...]) -> None:
    """Add requests and replies that contain the end of a line: what follows it would be another line."""
    hint = "Remove it: it is added to each request, and removed from each line of a reply"
    if options.request is not None and line.terminator in options.request:
        mistakes.add(f"contains the terminator {line.terminator!r}", (*path, "request"), hint=hint)
    for number, text in enumerate(options.replies):
        if any(line.reply_end in one for one in text.split("\n")):
            mistakes.add(f"contains the terminator {line.reply_end!r}", (*path, "replies", number), hint=hint)


def _parser(text: str, *, plain: bool = False) -> Callable[[], Template]:
    return lambda: parse(text, plain=plain)
