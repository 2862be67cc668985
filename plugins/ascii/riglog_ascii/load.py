"""The polling load: the transactions of one poll. Pure."""

from collections.abc import Sequence

from riglog.instrument import Description
from riglog.instrument.description import referring
from riglog.protocol import TransactionCost
from riglog_ascii.description import Read, line_of, reads_of
from riglog_ascii.samples import AsciiQuantity
from riglog_ascii.templates import Field, Template

LENGTHS = {"number": 12, "int": 6, "hex": 6, "word": 8, "text": 40}
"""Characters of a field, as they usually are."""


def poll_transactions(
    description: Description[AsciiQuantity], selected: Sequence[str], address: str
) -> list[TransactionCost]:
    """Return the reads of one poll; none for an instrument that sends without requests."""
    quantities = description.quantities
    wanted = set(referring(quantities, selected))
    costs: list[TransactionCost] = []
    reads = [read for read in reads_of(description, address) if read.request is not None]
    for read in reads:
        recorded = [name for name in read.fields if name in selected]
        others = {ref for name in recorded for ref in quantities[name].references} - set(read.fields)
        checks = [one for one in reads if others & set(one.fields)]
        needed = [read, *checks, *checks] if recorded else []
        costs += [_cost(description, one) for one in needed if wanted & set(one.fields)]
    return costs


def _cost(description: Description[AsciiQuantity], read: Read) -> TransactionCost:
    line = line_of(description)
    assert read.request is not None
    check = 0 if line.check is None else line.check.length
    sent = _length(read.request) + check + len(line.terminator)
    lines = len(read.replies[0].lines)
    received = max(map(_length, read.replies)) - lines + 1 + lines * (check + len(line.reply_end))
    return TransactionCost(sent * (1 + line.echo), received, line.turnaround, line.gap)


def _length(template: Template) -> int:
    return sum(LENGTHS[part.kind] if isinstance(part, Field) else len(part) for part in template.parts)
