"""Which reply of an instrument file a line is. Pure."""

from collections.abc import Iterator

from riglog.instrument import Description
from riglog_ascii.description import errors_of, line_of, reads_of
from riglog_ascii.samples import AsciiQuantity


def explained(description: Description[AsciiQuantity], line: str, address: str) -> Iterator[tuple[str, str, str]]:
    """Yield the read, the field and its text for everything that a line is in a file."""
    check = line_of(description).check
    if check is not None:
        line = (check.removed(line.encode("latin-1", "replace")) or b"\xff").decode("latin-1")
    for read in reads_of(description, address):
        for template in read.replies:
            fields = template.match(line)
            for name, text in (fields or {}).items():
                yield read.name, name, text
        for template, instead in read.instead:
            if template.match(line) is not None:
                yield read.name, "", instead
    for template, meaning in errors_of(description, address):
        if template.match(line) is not None:
            yield "error", "", meaning
