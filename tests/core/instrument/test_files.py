"""Instrument files: all mistakes at once with their lines, variants, and files that mean harm."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from riglog.errors import ConfigError
from riglog.instrument import Description, json_schema, problems_of
from riglog_modbus.description import ModbusFormat
from riglog_modbus.samples import Register

HEAD = 'format = 1\ndriver = "modbus"\ntitle = "Meter"\n'
VALUE = '[block.a.channel]\nx = { register = 1, unit = "V" }\n'
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "meter.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def load(path: object) -> Description[Register]:
    return ModbusFormat().load(str(path))


def problems(path: object) -> list[str]:
    with pytest.raises((ConfigError, ExceptionGroup)) as raised:
        load(path)
    return [str(problem) for problem in problems_of(raised.value)]


def test_all_mistakes_are_reported_with_file_line_key_and_next_step(write: Write) -> None:
    path = write(
        HEAD
        + """hardwere = []
[line]
baudrate = "fast"
[block.a]
function = 9
[block.a.channel]
pressure = { register = 1, scale = 0 }
flow = { type = "uint32", units = 5, registr = 7 }
Level = { register = 2 }
mode = { register = 3, labels = { zero = "off" }, effect = { on = "fault" } }
temp = { register = 4, unit_from = "mode", status_from = ["alrms"] }
alarms = { register = 5, flags = { 99 = "a" }, type = "float32" }
"""
    )
    found = problems(path)
    for line, words in (
        (4, "hardwere: unknown key"),
        (6, "line.baudrate: invalid value 'fast'"),
        (8, "block.a.function: invalid value 9"),
        (10, "pressure.scale: must be a finite number"),
        (11, "flow.units: invalid value 5"),
        (11, "flow.registr: unknown key"),
        (11, "flow.register: missing"),
        (12, "invalid name 'Level'"),
        (13, "code 'zero' is not a number"),
        (13, "flag or label 'on' unknown"),
        (14, "mode states none"),
        (14, "quantity 'alrms' unknown"),
        (15, "'99' is not a number from 0 to 63"),
        (15, "flags are the bits of a whole number"),
    ):
        assert any(f"meter.toml, line {line}: " in one and words in one for one in found), (line, words, found)
    with pytest.raises(ExceptionGroup) as raised:
        load(path)
    assert all(problem.hint or "invalid value" in problem.message for problem in problems_of(raised.value))


def test_a_mistake_of_the_base_has_the_line_of_the_base(write: Write) -> None:
    write(HEAD + "[block.a.channel]\nx = { register = 1, scal = 2 }\n", "base.toml")
    variant = write('format = 1\nextends = "base.toml"\ntitle = "Variant"\n')
    (problem,) = problems(variant)
    assert "base.toml, line 5: block.a.channel.x.scal: unknown key" in problem


def test_a_variant_changes_adds_and_removes_quantities(write: Write) -> None:
    write(HEAD + VALUE + 'y = { register = 3, unit = "A", scale = 0.1 }\nz = { register = 4 }\n', "base.toml")
    variant = write(
        'format = 1\nextends = "base.toml"\ntitle = "Variant"\nwithout = ["z"]\n'
        "[block.a.channel]\ny = { scale = 0.01 }\nw = { register = 9 }\n"
    )
    quantities = load(variant).quantities
    assert list(quantities) == ["x", "y", "w"]
    assert (quantities["y"].scale, quantities["y"].unit, quantities["y"].register) == (0.01, "A", 3)
    assert load(variant).head.title == "Variant"


def test_a_file_that_was_changed_is_read_again(write: Write) -> None:
    path = write(HEAD + VALUE)
    assert load(path).quantities["x"].unit == "V"
    path.write_text(path.read_text().replace('"V"', '"mV"'))
    os.utime(path, ns=(1, 1))
    assert load(path).quantities["x"].unit == "mV"


@pytest.mark.parametrize(
    ("extends", "words"),
    [
        ("meter.toml", "extends itself"),
        ("../secret.toml", "same folder"),
        ("/etc/passwd", "same folder"),
        ("C:\\secret.toml", "same folder"),
        ("..\\secret.toml", "same folder"),
        ("no-such-instrument", "unknown"),
        ("absent.toml", "not found"),
        ("folder.toml", "not a file"),
        ("", "same folder"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(write: Write, tmp_path: Path, extends: str, words: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    path = write(f"format = 1\nextends = '{extends}'\n")
    (problem,) = problems(path)
    assert words in problem


def test_a_circle_of_files_ends(write: Write) -> None:
    first = write('format = 1\nextends = "b.toml"\n', "a.toml")
    write('format = 1\nextends = "a.toml"\n', "b.toml")
    (problem,) = problems(first)
    assert "extends itself" in problem


def test_a_long_chain_of_files_ends(write: Write) -> None:
    for number in range(20):
        write(f'format = 1\nextends = "f{number + 1}.toml"\n', f"f{number}.toml")
    (problem,) = problems(write('format = 1\nextends = "f0.toml"\n'))
    assert "chain of more than 8" in problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_a_device_and_a_link_out_of_the_folder_are_refused(write: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert "not a file" in problems(tmp_path / "pipe.toml")[0]
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    assert "not a file" in problems(tmp_path / "zero.toml")[0]
    outside = tmp_path.parent / "outside.toml"
    outside.write_text(HEAD + VALUE)
    (tmp_path / "link.toml").symlink_to(outside)
    (problem,) = problems(write('format = 1\nextends = "link.toml"\n'))
    assert "link to another folder" in problem
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    assert "cannot read" in problems(tmp_path / "loop.toml")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("x = " + "{a=" * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ("x = " + "9" * 6000, "too many digits"),
        ("x = ", "invalid TOML"),
        ("a" * 300_000, "larger than"),
        ("\x00", "invalid TOML"),
        (HEAD + "[block.a.channel]\nx = { register = 99999999999999999999999 }\n", "register"),
        (HEAD + "[block.a.channel]\nx = { register = 1, scale = 1e999 }\n", "finite"),
        (HEAD + "[block.a.channel]\nx = { register = 1, scale = nan }\n", "finite"),
        (HEAD + "[block.a.channel]\nx = { register = 1, limits = [5, 1] }\n", "lower limit"),
        (HEAD + "[block.a.channel]\nx = { register = 1, unit_from = 'x' }\n", "refers to another quantity itself"),
        (HEAD + "[block.a.channel]\nx = 1979-05-27\n", "not a table"),
        (HEAD + "block = 3\n", "block"),
        (HEAD + "line = 3\n" + VALUE, "line"),
        (HEAD, "no channel"),
        ('format = 2\ndriver = "modbus"\ntitle = "M"\n' + VALUE, "newer than this riglog"),
        ('format = 1\ndriver = "ascii"\ntitle = "M"\n' + VALUE, "for driver 'ascii'"),
        (HEAD + "[block.a.channel]\nx = { register = 65536 }\n", "outside the table"),
        (HEAD + "[block.a]\nnumbering = 40001\n[block.a.channel]\nx = { register = 5 }\n", "outside the table"),
    ],
)
def test_a_hostile_or_wrong_file_gets_one_clear_error(write: Write, text: str, words: str) -> None:
    found = problems(write(text))
    assert len(found) == 1
    assert words in found[0]
    assert len(found[0]) < 700


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not valid UTF-8" in problems(path)[0]


def test_the_number_of_mistakes_that_are_reported_is_limited(write: Write) -> None:
    lines = "".join(f"x{number} = {{ register = 1, wrong = 1 }}\n" for number in range(1500))
    assert len(problems(write(HEAD + "[block.a.channel]\n" + lines))) == 100


def test_the_schema_has_every_key_of_a_file() -> None:
    schema = json_schema(ModbusFormat())
    definitions = schema["$defs"]
    assert {"format", "driver", "title", "extends", "line", "block"} <= set(definitions["ModbusHead"]["properties"])
    assert set(Register.__struct_fields__) == set(definitions["Register"]["properties"])
    assert definitions["RegisterOptions"]["properties"]["channel"]["additionalProperties"] == {
        "$ref": "#/$defs/Register"
    }
