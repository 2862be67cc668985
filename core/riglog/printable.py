"""Texts from instruments, files and users, made safe to show: control and invisible characters become escapes."""

import re

_UNPRINTABLE = (
    "\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\ud800-\\udfff\\U000e0000-\\U000e007f"
)
"""Control characters, invisible ones, and those that change the direction of the text."""
IN_LINE = re.compile(f"[{_UNPRINTABLE}]")
IN_LINES = re.compile(f"(?![\\n\\t])[{_UNPRINTABLE}]")


def printable(text: str, *, lines: bool = False) -> str:
    """Return a text with an escape such as ``\\x1b`` for every character that a terminal would obey or hide.

    Args:
        lines: keep line ends and tabs.
    """
    return (IN_LINES if lines else IN_LINE).sub(lambda found: found[0].encode("unicode_escape").decode(), text)
