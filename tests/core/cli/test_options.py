"""The options that select a device, and former names of options."""

from importlib import import_module
from typing import Any

import click
import pytest
from click.testing import CliRunner

from riglog.cli.app import COMMANDS, cli
from riglog.cli.commands.simulate import command as simulate
from riglog.cli.options import RenamedOption, device_options, device_spec, pairs
from riglog.device import Device, DeviceContext
from riglog.errors import ConfigError
from riglog.plugin import DirectConfig, DirectDriver, Registry


@pytest.fixture
def selected(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> click.Command:
    """A command that returns the port and the configuration that its options select."""
    monkeypatch.setattr("riglog.plugin.installed", lambda: registry)

    @click.command()
    @device_options
    def command(
        driver: str, port: str | None, protocol: str | None, address: str | None, options: tuple[str, ...]
    ) -> Any:
        return device_spec(driver, port, protocol, address, options, ["level"]).config

    return command


def test_the_options_of_a_device_make_its_configuration(selected: click.Command) -> None:
    config = selected.main(
        ["toy", "--port", "sim:x", "--address", "3", "--option", "timeout=0.5"], standalone_mode=False
    )
    assert (config.name, config.driver, config.port, config.address) == ("toy", "toy", "sim:x", 3)
    assert (config.timeout, config.parameters) == (0.5, ("level",))


def test_the_port_may_come_from_the_environment(selected: click.Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLOG_PORT", "sim:env")
    assert selected.main(["toy"], standalone_mode=False).port == "sim:env"


def test_a_driver_with_a_port_needs_the_port(selected: click.Command) -> None:
    with pytest.raises(ConfigError, match="--port: missing"):
        selected.main(["toy"], standalone_mode=False)


@pytest.mark.parametrize("text", ["nonsense", "=1"])
def test_an_option_without_key_and_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--option: invalid value"):
        pairs([text], "--option")


@pytest.mark.parametrize("path", ["rows.csv", "a/rows.JSONL", "rows.parquet"])
@pytest.mark.parametrize("command", ["record rig.toml", "demo"])
def test_a_recording_in_sqlite_has_no_ending_of_another_format(command: str, path: str) -> None:
    with pytest.raises(ConfigError, match="would be an SQLite file, despite its ending") as caught:
        cli.main([*command.split(), "--out", path], standalone_mode=False)
    assert "Use a name such as rows.sqlite" in (caught.value.hint or "")


def test_blanks_around_key_and_value_are_removed() -> None:
    assert pairs(["a = 1", "b=x=y"], "--option") == {"a": "1", "b": "x=y"}


@pytest.mark.parametrize(
    ("command", "former", "name"),
    [
        ("gaps", "--longer", "--min-duration"),
        ("forward", "--again", "--restart"),
        ("forward", "--patience", "--give-up-after"),
    ],
)
def test_a_former_name_works_but_is_not_shown(command: str, former: str, name: str) -> None:
    found: click.Command = import_module(f"riglog.cli.commands.{command.replace('-', '_')}").command
    text = CliRunner().invoke(found, ["--help"]).output
    assert name in text
    assert former not in text
    (option,) = [parameter for parameter in found.params if former in parameter.opts]
    assert isinstance(option, RenamedOption)
    values = ["recording.sqlite", *(["--to", "postgresql://db/x"] if command == "forward" else [])]
    values += [former] if option.is_flag else [former, "7"]
    context = found.make_context("riglog", list(values))
    assert context.params[option.name or ""] in (True, 7.0)
    if not option.is_flag:
        with pytest.raises(click.BadParameter) as caught:
            found.make_context("riglog", [*values[:-1], "soon"])
        assert former not in caught.value.format_message()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    for parameter in import_module(f"riglog.cli.commands.{name.replace('-', '_')}").command.params:
        assert isinstance(parameter, click.Argument) or parameter.help


class Computed(DirectDriver[DirectConfig]):
    name = "computed"
    summary = "a computed value"
    config = DirectConfig

    async def open(self, config: DirectConfig, context: DeviceContext) -> Device:
        raise NotImplementedError


@pytest.fixture
def computed(registry: Registry) -> None:
    registry.drivers["computed"] = Computed()


@pytest.mark.usefixtures("computed")
def test_a_driver_without_a_port_needs_none(selected: click.Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLOG_PORT", "sim:env")  # is for other drivers
    config = selected.main(["computed"], standalone_mode=False)
    assert (config.name, config.driver, config.parameters) == ("computed", "computed", ("level",))


@pytest.mark.usefixtures("computed")
def test_a_port_for_a_driver_without_a_port_is_refused(selected: click.Command) -> None:
    with pytest.raises(ConfigError, match="--port: driver 'computed' uses no port"):
        selected.main(["computed", "--port", "sim:x"], standalone_mode=False)


@pytest.mark.usefixtures("computed")
def test_a_driver_without_a_port_has_no_simulator(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riglog.plugin.installed", lambda: registry)
    with pytest.raises(ExceptionGroup) as caught:
        simulate.main(["computed"], standalone_mode=False)
    assert str(caught.value.exceptions[0]) == "driver 'computed' has no simulator: its devices have no port"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_sentence_of_each(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name]
