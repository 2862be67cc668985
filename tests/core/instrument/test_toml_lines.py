"""The line of every key, also in strings, lists and tables that are written in several ways."""

import tomllib

from riglog.instrument.toml_lines import line_numbers

TEXT = '''# comment with [brackets] = and "quotes"
title = "a # no comment"
list = [
  { a = 1, b = { c = 2 } },   # } ]
  { "quoted.key" = 3 },
]
[table.sub]
text = """
[not.a.table]
x = 1
"""
dotted.key = 'single [ { '
last = 1.5e3
[[many]]
n = 1
[[many]]
n = 2
[many.inner]
deep = [[1, 2], [3]]
'''


def test_every_key_has_the_line_on_which_it_is_written() -> None:
    lines = line_numbers(TEXT)
    assert lines["title",] == 2
    assert lines["list", 0, "b", "c"] == 4
    assert lines["list", 1, "quoted.key"] == 5
    assert lines["table", "sub"] == 7
    assert lines["table", "sub", "text"] == 8
    assert lines["table", "sub", "dotted", "key"] == 12
    assert lines["table", "sub", "last"] == 13
    assert (lines["many", 0, "n"], lines["many", 1, "n"]) == (15, 17)
    assert lines["many", 1, "inner", "deep"] == 19


def test_every_key_of_the_text_has_a_line_and_no_other() -> None:
    def paths(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path, *(found for key, one in inner for found in paths(one, (*path, key)))]

    known = {path for path in paths(tomllib.loads(TEXT), ()) if path}
    assert set(line_numbers(TEXT)) <= known
    assert {path for path in known if isinstance(path[-1], str)} - {("table",), ("many",)} <= set(line_numbers(TEXT))
