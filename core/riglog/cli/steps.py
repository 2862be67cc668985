"""What a command is doing, step by step: each in place of the one before; in a pipe or a file on a line of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from riglog.cli.console import messages, plain


@contextmanager
def steps(first: str) -> Iterator[Callable[[str], None]]:
    """Yield what shows a step. Nothing is left of the steps on a terminal.

    Args:
        first: shown on a terminal before the first step.
    """
    if messages().is_terminal:
        with messages().status(first) as status:
            yield lambda step: status.update(plain(step))
    else:
        yield lambda step: messages().print(plain(step), soft_wrap=True)
