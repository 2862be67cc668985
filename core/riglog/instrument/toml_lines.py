"""The line of every key in a TOML text, for messages: ``tomllib`` does not keep it. Pure.

The text has been accepted by ``tomllib`` before, so only its structure is followed here.
"""

import re
import tomllib
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""The way to a value: names of keys and positions in lists."""

_TOKEN = re.compile(
    r'(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>\#[^\n]*)|(?P<sign>[\[\]{}=,.])|(?P<end>\n)|(?P<bare>[^\s\[\]{}=,.\#\"']+)",
    re.DOTALL,
)


def line_numbers(text: str) -> Mapping[Path, int]:
    """Return the line of each key and of each item of a list."""
    return _Scan(text).lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens: list[tuple[str, str, int]] = []
        line = 1
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup or ""
            if kind != "comment":
                self._tokens.append((kind, found[0], line))
            line += found[0].count("\n")
        self._tokens.append(("end", "\n", line))
        self._at = 0
        self._counts: dict[Path, int] = {}
        self._table: Path = ()
        while self._at < len(self._tokens):
            self._statement()

    def _statement(self) -> None:
        if self._is("\n"):
            self._at += 1
        elif self._is("["):
            self._at += 1
            repeated = self._is("[")
            self._at += repeated
            line = self._tokens[self._at][2]
            self._table = self._header(self._key(), repeated)
            self._note(self._table, line)
            self._at += 1 + repeated
        else:
            self._pair(self._table)

    def _header(self, key: list[str], repeated: bool) -> Path:
        path: Path = ()
        for step in key[:-1]:
            path = self._present((*path, step))
        path = (*path, key[-1])
        if repeated:
            self._counts[path] = self._counts.get(path, -1) + 1
            return (*path, self._counts[path])
        return path

    def _present(self, path: Path) -> Path:
        """Return the path of a table, or of the last one of a list of tables."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _pair(self, table: Path) -> None:
        line = self._tokens[self._at][2]
        path = table
        for step in self._key():
            path = (*path, step)
            self._note(path, line)
        self._at += 1  # the equals sign
        self._value(path)

    def _key(self) -> list[str]:
        steps: list[str] = []
        while self._at < len(self._tokens):
            kind, text, _ = self._tokens[self._at]
            if kind == "text":
                steps.append(tomllib.loads(f"key = {text}")["key"])
            elif kind == "bare":
                steps.append(text)
            elif text != ".":
                break
            self._at += 1
        return steps

    def _value(self, path: Path) -> None:
        if self._is("["):
            self._items(path)
        elif self._is("{"):
            self._at += 1
            while not self._is("}"):
                if self._is(",") or self._is("\n"):
                    self._at += 1
                else:
                    self._pair(path)
            self._at += 1
        else:
            while self._at < len(self._tokens) and self._tokens[self._at][1] not in ("\n", ",", "]", "}"):
                self._at += 1

    def _items(self, path: Path) -> None:
        self._at += 1
        number = 0
        while not self._is("]"):
            if self._is(","):
                number += 1
            if self._is(",") or self._is("\n"):
                self._at += 1
                continue
            self._note((*path, number), self._tokens[self._at][2])
            self._value((*path, number))
        self._at += 1

    def _note(self, path: Path, line: int) -> None:
        self.lines.setdefault(path, line)

    def _is(self, text: str) -> bool:
        """True if the next token is this one; at the end of the text, everything has ended."""
        if self._at >= len(self._tokens):
            return text in "]}"
        kind, found, _ = self._tokens[self._at]
        return found == text and kind != "text"
