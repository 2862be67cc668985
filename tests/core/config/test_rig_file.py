"""rig.toml: a correct file is read; every mistake is reported with its place and the next step."""

import os
import sys
from pathlib import Path

import pytest

from riglog.acquire import Overflow
from riglog.config import load_rig, seconds
from riglog.config.shared_paths import shared_paths
from riglog.errors import ConfigError
from riglog.plugin import Registry
from riglog.sinks import SqliteSink

GOOD = """
[run]
name = "kiln-7"
rate_hz = 2.0
duration = "72h"
overflow = "drop_oldest"

[[sink]]
type = "sqlite"
path = "${RIG_DIR:-data}/kiln-7.sqlite"

[ports.bus1]
device = "sim:bus1"
baudrate = 19200

[[device]]
name = "oven"
driver = "toy"
port = "bus1"
address = 1

[[device]]
name = "kiln"
driver = "toy"
port = "bus1"
address = 2
rate_hz = 10
"""


def load(tmp_path: Path, text: str, registry: Registry) -> object:
    path = tmp_path / "rig.toml"
    path.write_text(text)
    return load_rig(path, registry=registry)


def mistakes(tmp_path: Path, text: str, registry: Registry) -> list[str]:
    """Return every error of a file, with its hint."""
    with pytest.raises(ExceptionGroup) as caught:
        load(tmp_path, text, registry)
    return [f"{error} — {error.hint}" for error in caught.value.exceptions]  # type: ignore[attr-defined]


def test_a_correct_file_is_read(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(GOOD)
    rig = load_rig(path, registry=registry)
    assert (rig.name, rig.rate_hz, rig.duration, rig.overflow) == ("kiln-7", 2.0, 72 * 3600, Overflow.DROP_OLDEST)
    assert [(spec.config.name, spec.key, spec.port.link.baudrate, spec.config.rate_hz) for spec in rig.specs] == [
        ("oven", "sim:bus1", 19200, None),
        ("kiln", "sim:bus1", 19200, 10.0),
    ]
    assert isinstance(rig.sinks[0], SqliteSink)
    assert rig.sinks[0].path == Path("data/kiln-7.sqlite")
    assert rig.text == GOOD


DEVICE = '[[device]]\nname = "a"\ndriver = "toy"\nport = "sim:1"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DEVICE + "adress = 1\n", ["device.adress: unknown key", "Did you mean 'address'?"]),
        (DEVICE + 'address = "one"\n', ["device.address: invalid value 'one'; expected a whole number", "a: "]),
        (DEVICE.replace("toy", "toi"), ["unknown driver 'toi'", "Did you mean 'toy'?"]),
        (DEVICE.replace('driver = "toy"\n', ""), ["device.driver: missing"]),
        (DEVICE.replace('port = "sim:1"\n', ""), ["device.port: missing"]),
        (DEVICE + 'protocol = "modbus"\n', ["unknown protocol 'modbus'", "Protocols of toy: toy"]),
        (DEVICE + DEVICE, ["duplicate device name 'a'"]),
        (DEVICE + DEVICE.replace('"a"', '"b"'), ["address 1 is already used by a"]),
        (DEVICE + DEVICE.replace('"a"', '"b"') + "address = 2\nbaudrate = 1200\n", ["baudrate 1200 here, 9600 there"]),
        ("[run]\nrate_hz = 0\n" + DEVICE, ["run.rate_hz: invalid value 0; expected a number above 0"]),
        ("[run]\nrates = 1\n" + DEVICE, ["run.rates: unknown key", "Did you mean 'rate_hz'?"]),
        ('[run]\nduration = "3 weeks"\n' + DEVICE, ["run.duration: invalid duration '3 weeks'", "1h30m"]),
        ("[runs]\n" + DEVICE, ["runs: unknown table", "Did you mean 'run'?"]),
        ('[[sink]]\ntype = "sqlit"\n' + DEVICE, ["sink 1.type: unknown sink type 'sqlit'", "Did you mean 'sqlite'?"]),
        ('[[sink]]\ntype = "sqlite"\npath = "x"\n' * 2 + DEVICE, ["sink.path: 'x' is used by two sinks"]),
        ('[[sink]]\ntype = "sqlite"\n' + DEVICE, ["sink 1.path: missing"]),
        ("[ports.sim1]\nbaudrate = 1\n" + DEVICE.replace("sim:1", "sim1"), ["ports.sim1.device: missing"]),
        (
            DEVICE.replace("sim:1", "${NO_SUCH_VARIABLE}"),
            ["environment variable NO_SUCH_VARIABLE is not set", "export NO_SUCH_VARIABLE"],
        ),
        (DEVICE.replace("[[device]]", "[device]"), ["device: must be a table [[device]]"]),
        ("", ["no [[device]] table"]),
        ("device = [3, {}]\n", ["device: must be a table [[device]]"]),
        ("sink = [1]\n" + DEVICE, ["sink: must be a table [[sink]]"]),
        ('[ports]\nbus1 = "/dev/ttyUSB0"\n' + DEVICE, ["ports.bus1: must be a table [ports.bus1]"]),
        (DEVICE.replace("sim:1", "\\u0000"), ["invalid port name: empty, or contains a NUL character"]),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_the_next_step(
    tmp_path: Path, registry: Registry, text: str, words: list[str]
) -> None:
    messages = "\n".join(mistakes(tmp_path, text, registry))
    for word in [*words, "rig.toml"]:
        assert word in messages


def test_all_mistakes_are_reported_at_once(tmp_path: Path, registry: Registry) -> None:
    text = "[run]\nrate_hz = -1\n[[sink]]\n" + DEVICE + "adress = 1\n" + DEVICE.replace("toy", "toi")
    assert len(mistakes(tmp_path, text, registry)) == 4


@pytest.mark.parametrize("header", ["[[devices]]", "[device]"])
def test_a_misspelt_table_of_a_device_is_one_mistake(tmp_path: Path, registry: Registry, header: str) -> None:
    assert len(mistakes(tmp_path, DEVICE.replace("[[device]]", header), registry)) == 1


def test_a_variable_that_is_not_set_is_the_only_error(tmp_path: Path, registry: Registry) -> None:
    assert len(mistakes(tmp_path, DEVICE.replace("sim:1", "${NO_SUCH_VARIABLE}"), registry)) == 1


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path, registry: Registry) -> None:
    load(tmp_path, "\ufeff" + DEVICE, registry)


@pytest.mark.parametrize(
    ("text", "words"),
    [("run = [", "invalid TOML"), (None, "file not found"), ("x = " + "[" * 20_000, "nested too deeply")],
)
def test_a_file_that_cannot_be_read_is_one_error(
    tmp_path: Path, registry: Registry, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "rig.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_rig(tmp_path / "rig.toml", registry=registry)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are no files there")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, registry: Registry) -> None:
    os.mkfifo(tmp_path / "rig.toml")
    for path in (tmp_path / "rig.toml", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="path is not a file"):
            load_rig(path, registry=registry)


def test_a_file_without_end_does_not_fill_the_memory(tmp_path: Path, registry: Registry) -> None:
    with (tmp_path / "rig.toml").open("wb") as file:
        file.truncate(50_000_000_000)
    with pytest.raises(ConfigError, match="larger than 32 MB"):
        load_rig(tmp_path / "rig.toml", registry=registry)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_may_end_as_on_other_systems(tmp_path: Path, registry: Registry, end: str) -> None:
    (tmp_path / "rig.toml").write_bytes(DEVICE.replace("\n", end).encode())
    load_rig(tmp_path / "rig.toml", registry=registry)


@pytest.mark.parametrize("type", ["sqlite", "csv", "jsonl", "parquet"])
def test_a_path_that_no_file_can_have_is_a_mistake(tmp_path: Path, registry: Registry, type: str) -> None:
    text = f'{DEVICE}\n[[sink]]\ntype = "{type}"\npath = "a\\u0000b"\n'
    assert "path contains a NUL character" in mistakes(tmp_path, text, registry)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("72h", 259200), ("7d", 604800), (2.5, 2.5)],
)
def test_durations_are_read_in_every_notation(text: str | float, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "-1", "0", "1x", "1h x", "inf", "nan"])
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        seconds(text)


SPELLINGS = ["./r.sqlite", "sub/../r.sqlite", "{folder}/r.sqlite", "link/r.sqlite", "symbolic.sqlite"]


def two_sinks(first: str, second: str) -> str:
    return "".join(f'[[sink]]\ntype = "sqlite"\npath = "{path}"\n' for path in (first, second)) + DEVICE


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_file_written_in_two_ways_is_refused(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, spelling: str, exists: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "symbolic.sqlite").symlink_to("r.sqlite")
    if exists:
        (tmp_path / "r.sqlite").touch()
    other = spelling.format(folder=tmp_path)
    (message,) = mistakes(tmp_path, two_sinks("r.sqlite", other), registry)
    assert f"sink.path: 'r.sqlite' and {other!r} are the same file — Give each sink its own path" in message


def test_a_hard_link_is_the_same_file(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.sqlite").touch()
    (tmp_path / "hard.sqlite").hardlink_to(tmp_path / "r.sqlite")
    (message,) = mistakes(tmp_path, two_sinks("r.sqlite", "hard.sqlite"), registry)
    assert "sink.path: 'r.sqlite' and 'hard.sqlite' are the same file" in message


@pytest.mark.parametrize(("platform", "same"), [("darwin", True), ("win32", True), ("linux", False)])
def test_upper_case_and_unicode_form_matter_where_file_systems_distinguish_them(
    monkeypatch: pytest.MonkeyPatch, platform: str, same: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert bool(list(shared_paths(["kiln.sqlite", "Kiln.SQLite"]))) is same
    assert bool(list(shared_paths(["\u00f6fen.sqlite", "o\u0308fen.sqlite"]))) is same


def test_different_files_are_accepted(tmp_path: Path, registry: Registry) -> None:
    load(tmp_path, two_sinks("one.sqlite", "two.sqlite"), registry)
    assert list(shared_paths(["a", "b", "c/a"])) == []


def test_a_device_without_a_name_is_called_by_its_position(tmp_path: Path, registry: Registry) -> None:
    unnamed = DEVICE.replace('name = "a"\n', "")
    first, second, third = mistakes(tmp_path, DEVICE + unnamed + unnamed.replace('"sim:1"', "5"), registry)
    assert first.startswith(f"{tmp_path / 'rig.toml'}: device 2 (no name).name: missing")
    assert second.startswith(f"{tmp_path / 'rig.toml'}: device 3 (no name).port: invalid value 5")
    assert third.startswith(f"{tmp_path / 'rig.toml'}: device 3 (no name).name: missing")
    variable = DEVICE.replace("sim:1", "${NO_SUCH_VARIABLE}")
    no_name = variable.replace('name = "a"\n', "")
    for text, place in ((variable, "a: device.port"), (no_name, "device 1 (no name).port")):
        (message,) = mistakes(tmp_path, text, registry)
        assert message.startswith(f"{tmp_path / 'rig.toml'}: {place}: environment variable NO_SUCH_VARIABLE")


def test_every_mistake_of_every_table_is_reported_at_once(tmp_path: Path, registry: Registry) -> None:
    text = f"""
        [run]
        rate_hz = 0
        flush_intervall = 1
        [[sink]]
        type = "sqlite"
        path = 5
        rotat = "1d"
        {DEVICE}
        adress = 1
        timeout = -1
        {DEVICE.replace('"a"', '"b"')}
        protocol = "tyo"
        """
    assert [message.partition("rig.toml: ")[2].split(": ")[0] for message in mistakes(tmp_path, text, registry)] == [
        "run.rate_hz", "run.flush_intervall", "sink 1.path", "sink 1.rotat", "a", "a", "b",
    ]  # fmt: skip
