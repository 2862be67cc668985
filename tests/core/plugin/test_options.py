"""A mistake in a table is named with its place, what can be there, and the likely word; also deep inside a table."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field
from toy import ToyDriver

from riglog.errors import ConfigError
from riglog.plugin import DeviceConfig, configure, convert, try_each
from riglog.plugin.options import convert_all


class Mode(Enum):
    AUTO = "auto"
    MANUAL = "manual"


class Register(Struct, forbid_unknown_fields=True, frozen=True):
    address: Annotated[int, Meta(ge=0, le=65535)]
    type: Literal["u16", "f32"] = "u16"
    scale: float = 1.0


class Linear(Struct, forbid_unknown_fields=True, tag="linear"):
    factor: float = 1.0


class Table(Struct, forbid_unknown_fields=True, tag="table"):
    points: list[tuple[float, float]] = []


class Meter(DeviceConfig, kw_only=True, frozen=True):
    registers: tuple[Register, ...] = ()
    main: Register | None = None
    named: dict[str, Register] = field(default_factory=dict)
    curve: Linear | Table | None = None
    blocks: list[list[Register]] = field(default_factory=list)
    mode: Mode = Mode.AUTO


METER: dict[str, Any] = {"name": "m", "driver": "meter", "port": "sim:m"}


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"registers": [{"address": 1}, {"address": 2, "typ": 3}]}, "d.registers[1].typ: unknown key", "'type'"),
        (
            {"registers": [{"address": 1, "unit": "V"}]},
            "d.registers[0].unit: unknown key",
            "Available keys: address, type, scale",
        ),
        ({"registers": [{}]}, "d.registers[0].address: missing", "Add address = …"),
        (
            {"registers": [{"address": 1, "type": "int"}]},
            "d.registers[0].type: invalid value 'int'; expected 'f32' or 'u16'",
            None,
        ),
        (
            {"registers": [{"address": 70000}]},
            "d.registers[0].address: invalid value 70000; expected a whole number from 0 to 65535",
            None,
        ),
        (
            {"registers": 5},
            "d.registers: invalid value 5; expected a list; each item a table with the keys address, type, scale",
            None,
        ),
        ({"main": {"adress": 1}}, "d.main.adress: unknown key", "Did you mean 'address'?"),
        ({"main": 5}, "d.main: invalid value 5; expected a table with the keys address, type, scale", None),
        ({"named": {"x": {"adress": 1}}}, "d.named.x.adress: unknown key", "Did you mean 'address'?"),
        ({"named": {"x": {"address": "1"}}}, "d.named.x.address: invalid value '1'; expected a whole number", None),
        ({"curve": {"type": "linear", "fctor": 1}}, "d.curve.fctor: unknown key", "Did you mean 'factor'?"),
        (
            {"curve": {"type": "table", "points": [[1, "x"]]}},
            "d.curve.points[0][1]: invalid value 'x'; expected a number",
            None,
        ),
        ({"blocks": [[], [{"adress": 1}]]}, "d.blocks[1][0].adress: unknown key", "Did you mean 'address'?"),
        ({"mode": "off"}, "d.mode: invalid value 'off'; expected 'auto' or 'manual'", None),
        ({"baud": 9600}, "d.baud: unknown key", "Did you mean 'baudrate'?"),
        ({"name": "a b"}, "d.name: invalid value 'a b'; expected a name of letters, digits, _ and -", None),
        ({"name": "oven\n"}, "d.name: invalid value 'oven\\n'; expected a name of letters, digits, _ and -", None),
        ({"echo": "yes"}, "d.echo: invalid value 'yes'; expected true or false", None),
        ({"protocol": 5}, "d.protocol: invalid value 5; expected a string in quotes", None),
        ({"parameters": [1]}, "d.parameters[0]: invalid value 1; expected a string in quotes", None),
        ({"rate_hz": 0}, "d.rate_hz: invalid value 0; expected a number above 0 and at most 10000", None),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(
    table: dict[str, Any], message: str, hint: str | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(METER | table, Meter, "d")
    assert caught.value.message.startswith(message)
    assert (caught.value.hint is None) is (hint is None)
    assert hint is None or hint in str(caught.value.hint)


class Choices(Struct):
    unit: Literal["degC", "degF"] | None = None
    parity: Literal["N", "E", "O"] = "N"
    mode: Mode = Mode.AUTO


@pytest.mark.parametrize(
    ("key", "given", "meant"),
    [
        *(("unit", given, "degC") for given in ("C", "c", "Celsius", "°C", "degc", "deg C")),
        *(("unit", given, "degF") for given in ("F", "fahrenheit", "DEGF")),
        *(("unit", given, None) for given in ("K", "", 5)),
        ("parity", "odd", "O"),
        ("parity", "e", "E"),
        ("parity", "X", None),
        ("mode", "Auto", "auto"),
        ("mode", "off", None),
    ],
)
def test_a_wrong_choice_has_the_probable_one_in_the_hint(key: str, given: object, meant: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        convert({key: given}, Choices, "device")
    assert caught.value.hint == (None if meant is None else f"Did you mean {meant!r}?")


class Strict(DeviceConfig, kw_only=True, frozen=True):
    address: Annotated[int, Meta(ge=1)] = 1
    family: Literal["a", "b"] = "a"


class Checking(ToyDriver):
    """A driver that refuses parameters, depending on its key ``family``."""

    name = "strict"
    config = Strict
    selects_parameters = True
    protocols = ("toy", "other")

    def check(self, config: Any) -> None:
        def check_one(name: str) -> None:
            raise ConfigError(f"no {name} in family {config.family}")

        try_each(check_one, config.parameters)


@pytest.mark.parametrize(
    ("table", "starts"),
    [
        ({"adress": 1, "timeout": -1, "zzz": 1}, ["d.adress: unk", "d.timeout: inv", "d.zzz: unk"]),
        ({"port": 5, "timeout": -1}, ["d.port: inv", "d.timeout: inv"]),
        ({"adress": -1}, ["d.adress: unk", "d.address: inv"]),
        ({"parameters": ["x", "y"]}, ["no x in family a", "no y in family a"]),
        ({"adress": 1, "timeout": 0, "parameters": ["x"]}, ["d.adress: unk", "d.timeout: inv", "no x in family a"]),
        ({"famly": "b", "parameters": ["x"]}, ["d.famly: unk", "no x in family b"]),
        ({"family": "c", "parameters": ["x"]}, ["d.family: inv"]),  # the parameters of which family is not known
        ({"protocol": "tyo", "parameters": ["x"]}, ["d.protocol: unknown protocol 'tyo'"]),
    ],
)
def test_every_mistake_of_a_device_is_reported_at_once_and_no_consequence(
    table: dict[str, Any], starts: list[str]
) -> None:
    with pytest.raises((ConfigError, ExceptionGroup)) as caught:
        configure(Checking(), METER | table, "d")
    found = caught.value.exceptions if isinstance(caught.value, ExceptionGroup) else [caught.value]
    messages = [error.message for error in found if isinstance(error, ConfigError)]
    assert [message[: len(start)] for message, start in zip(messages, starts, strict=True)] == starts


def test_every_missing_key_is_named() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        convert_all({"timeot": 1}, Meter, "d")
    assert [str(error) for error in caught.value.exceptions] == [
        "d.timeot: unknown key", "d.name: missing", "d.driver: missing", "d.port: missing",
    ]  # fmt: skip


def test_a_misspelt_protocol_has_a_suggestion_and_the_first_keys_are_those_of_the_driver() -> None:
    with pytest.raises(ConfigError) as caught:
        configure(Checking(), METER | {"protocol": "othr"}, "d")
    assert caught.value.hint == "Did you mean 'other'? Protocols of strict: toy, other"
    with pytest.raises(ConfigError) as caught:
        configure(Checking(), METER | {"nonsense": 1}, "d")
    assert str(caught.value.hint).startswith("Available keys: address, family, name, ")
    assert str(caught.value.hint).endswith(" more")
