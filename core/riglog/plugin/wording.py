"""What a place in a table can hold, in the words of a rig file, derived from the types of the config struct. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

Path = Sequence[str | int]
"""The way from a table to a value: names of keys and positions in lists. ``ANY`` is a key that is not known."""
ANY = "..."
MOST_LISTED = 12
"""Keys that a message lists."""


def expected(struct: type[msgspec.Struct], path: Path) -> str | None:
    """Return what the value there can be: ``a whole number from 1 to 247``. None if there is no such place."""
    kinds: list[inspect.Type] = [inspect.type_info(struct)]
    for step in path:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    return _either(kinds) if kinds else None


def keys(struct: type[msgspec.Struct], path: Path) -> list[str]:
    """Return the keys of the table there."""
    kinds: list[inspect.Type] = [inspect.type_info(struct)]
    for step in path:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    tables = [kind for kind in _alternatives(kinds) if isinstance(kind, inspect.StructType)]
    return list(dict.fromkeys(field.encode_name for table in tables for field in table.fields))


def listed(keys: Sequence[str]) -> str:
    """Return the keys of a table for a message: the first ones of a table with many, and their number."""
    if len(keys) <= MOST_LISTED:
        return ", ".join(keys)
    return f"{', '.join(keys[:MOST_LISTED])} and {len(keys) - MOST_LISTED} more"


def likely(struct: type[msgspec.Struct], path: Path, value: object) -> str | None:
    """Return the choice that a wrong text probably means: similar, or with the same letter (``Celsius``: degC)."""
    kinds: list[inspect.Type] = [inspect.type_info(struct)]
    for step in path:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    choices = [choice for kind in _alternatives(kinds) for choice in _choices(kind)]
    if not isinstance(value, str) or not value:
        return None
    from difflib import get_close_matches  # not at the top: only mistakes need it

    known = {choice.lower(): choice for choice in choices}
    close = get_close_matches(value.lower(), known, 1)
    ends = [choice for choice in choices if choice.lower().endswith(value.lower().lstrip("°"))]
    initial = [choice for choice in choices if choice[-1].isupper() and choice[-1] == value[0].upper()]
    return known[close[0]] if close else next(iter([*ends, *initial]), None)


def _choices(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.LiteralType(values=values):
            return [value for value in values if isinstance(value, str)]
        case inspect.EnumType(cls=choices):
            return [choice.value for choice in choices if isinstance(choice.value, str)]
    return []


def _inside(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    """Yield the types of what is one step further; one for each struct that could be meant."""
    for one in _alternatives([kind]):
        match one:
            case inspect.StructType(fields=fields):
                yield from (field.type for field in fields if field.encode_name == step)
            case inspect.DictType(value_type=inner) if isinstance(step, str):
                yield inner
            case inspect.TupleType(item_types=items) if isinstance(step, int):
                yield from items[step : step + 1]
            case inspect.VarTupleType(item_type=inner) | inspect.ListType(item_type=inner) if isinstance(step, int):
                yield inner


def _alternatives(kinds: Sequence[inspect.Type]) -> Iterator[inspect.Type]:
    for kind in kinds:
        match kind:
            case inspect.Metadata(type=inner):
                yield from _alternatives([inner])
            case inspect.UnionType(types=types):
                yield from _alternatives(types)
            case _:
                yield kind


def _either(kinds: Sequence[inspect.Type]) -> str:
    words = (_words(kind) for kind in kinds if not isinstance(kind, inspect.NoneType))
    return " or ".join(dict.fromkeys(words))


def _words(kind: inspect.Type) -> str:
    """Return a type in words; a description that comes with it is used instead."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return str((extra or {}).get("description") or _words(inner))
        case inspect.UnionType(types=types):
            return _either(types)
        case inspect.IntType():
            return "a whole number" + _range(kind)
        case inspect.FloatType():
            return "a number" + _range(kind)
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType(max_length=longest):
            return "a string in quotes" if longest is None else f"a string of at most {longest} characters"
        case inspect.LiteralType(values=values):
            return _one_of(values)
        case inspect.EnumType(cls=choices):
            return _one_of([choice.value for choice in choices])
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"a list; each item {_words(item)}"
        case inspect.TupleType(item_types=items):
            return f"a list of {len(items)} values; each {_either(items)}"
        case inspect.DictType():
            return "a table"
        case inspect.StructType(fields=fields):
            return f"a table with the keys {', '.join(field.encode_name for field in fields)}"
    return "a value of the documented type"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    lowest = (
        f" of at least {kind.ge:g}" if kind.ge is not None else f" above {kind.gt:g}" if kind.gt is not None else ""
    )
    if kind.le is None:
        return lowest
    return f" from {kind.ge} to {kind.le}" if kind.ge is not None else f"{lowest} and at most {kind.le}"


def _one_of(values: Any) -> str:
    return " or ".join(repr(value) for value in values)
