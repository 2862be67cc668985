"""What a key of a table may be, in the words of somebody who writes a rig file: worked out from its type."""

from typing import Any

import msgspec
from msgspec import inspect


def wanted(struct: type[msgspec.Struct], key: str) -> str | None:
    """What the key of that name may be: ``a whole number from 1 to 247``. None if there is no such key."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return next((_words(field.type) for field in info.fields if field.encode_name == key), None)


def _words(kind: inspect.Type) -> str:
    """A type in words; a description that comes with it goes before what can be worked out."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return str((extra or {}).get("description") or _words(inner))
        case inspect.UnionType(types=types):
            return " or ".join(_words(one) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.IntType():
            return "a whole number" + _range(kind)
        case inspect.FloatType():
            return "a number" + _range(kind)
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            return "a text in quotes"
        case inspect.LiteralType(values=values):
            return _one_of(values)
        case inspect.EnumType(cls=choices):
            return _one_of([choice.value for choice in choices])
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"a list, each of it {_words(item)}"
    return "what is needed there"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    lowest = (
        f" of at least {kind.ge:g}" if kind.ge is not None else f" above {kind.gt:g}" if kind.gt is not None else ""
    )
    if kind.le is None:
        return lowest
    return f" from {kind.ge} to {kind.le}" if kind.ge is not None else f"{lowest} and at most {kind.le}"


def _one_of(values: Any) -> str:
    return " or ".join(repr(value) for value in values)
