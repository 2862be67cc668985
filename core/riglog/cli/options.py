"""Options that several commands share, above all those that select one device."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from riglog.cli.console import print_warning
from riglog.errors import ConfigError

if TYPE_CHECKING:
    from riglog.manager import DeviceSpec
    from riglog.model import Sink
    from riglog.sinks.sqlite.blocks import Profile

F = TypeVar("F", bound=Callable[..., Any])


class RenamedOption(click.Option):
    """An option whose last name is a former one: it still works, and help and messages do not show it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        names, self.opts = self.opts, self.opts[:-1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names

    def get_error_hint(self, ctx: click.Context | None) -> str:
        return f"'{self.opts[0]}'"


class Duration(click.ParamType[float]):
    """A time such as ``90``, ``1s`` or ``10m``, in seconds; also 0."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from riglog.config.duration import seconds

        try:
            return 0.0 if value in (0, "0") else seconds(value, self.name)
        except ConfigError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


def device_options(function: F) -> F:
    """Add ``DRIVER --port … --protocol … --address … --option KEY=VALUE``; see ``device_spec``."""
    return click.argument("driver")(reach_options(function))


def reach_options(function: F) -> F:
    """Add ``--port … --protocol … --address … --option KEY=VALUE``, for a command of one driver."""
    for decorate in reversed(
        (
            click.option("--port", envvar="RIGLOG_PORT", help="Device path, COM port, usb:SERIAL or tcp://HOST:PORT."),
            click.option("--protocol", help="Protocol. Default: the first protocol of the driver."),
            click.option("--address", help="Bus address, if the protocol has one."),
            click.option(
                "--option",
                "options",
                multiple=True,
                metavar="KEY=VALUE",
                help="Any other key of a [[device]] table; may be repeated.",
            ),
        )
    ):
        function = decorate(function)
    return function


def device_spec(
    name: str,
    port: str | None,
    protocol: str | None,
    address: str | None,
    options: Sequence[str],
    parameters: Sequence[str] = (),
) -> "DeviceSpec":
    """Return the device that the options select. Nothing is opened.

    Raises:
        ConfigError: an unknown driver, no port although the driver needs one, or an invalid option.
    """
    from riglog.manager import resolve_device
    from riglog.plugin import Driver, installed

    table: dict[str, Any] = {"name": name, "driver": name, "protocol": protocol, "address": address}
    registry = installed()
    driver = registry.driver(name)
    if port is None and isinstance(driver, Driver):
        hint = "Give the port of the device, for example --port /dev/ttyUSB0"
        raise ConfigError("--port: missing", hint=hint)
    if "port" in driver.config.__struct_fields__:
        table["port"] = port
    elif port is not None and not _from_environment("port"):
        raise ConfigError(f"--port: driver {name!r} uses no port", hint="Remove --port")
    given = {key: value for key, value in table.items() if value is not None}
    if parameters:
        given["parameters"] = list(parameters)
    return resolve_device(registry, given | pairs(options, "--option"), "option", strict=False)


def sqlite_name(ctx: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """Return the path of an SQLite file to record into; for ``callback=``.

    Raises:
        ConfigError: its ending is that of another format, whose content would be expected in it.
    """
    from riglog.recordings import EXPORT_FORMATS

    ending = Path(path or "").suffix
    if ending.removeprefix(".").lower() in EXPORT_FORMATS:
        hint = f"Use a name such as {Path(path or '').stem}.sqlite. For other formats add a [[sink]] to the rig file"
        raise ConfigError(f"--out: {path!r} would be an SQLite file, despite its ending {ending!r}", hint=hint)
    return path


def profile_option(function: F) -> F:
    """Add ``--profile``, for a command that records into an SQLite file; see ``set_profile``."""
    return click.option(
        "--profile",
        type=click.Choice(("desk", "card")),
        help="How an SQLite file is written. desk: for the fastest queries; card: with few bytes to flash memory.",
    )(function)


def set_profile(sinks: Sequence["Sink"], profile: "Profile | None") -> None:
    """Let the SQLite sinks write with a profile, instead of that of the rig file.

    Raises:
        ConfigError: there is none.
    """
    from riglog.sinks import SqliteSink
    from riglog.sinks.rotation import RotatingSink

    present = [sink.present if isinstance(sink, RotatingSink) else sink for sink in sinks]
    files = [sink for sink in present if isinstance(sink, SqliteSink)]
    if profile is not None and not files:
        raise ConfigError("--profile: no SQLite file is recorded", hint="Remove --profile, or add --out FILE")
    for file in files:
        file.profile = profile or file.profile


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a table.

    Raises:
        ConfigError: a text without ``=`` or without a key.
    """
    table = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"{option}: invalid value {text!r}; expected KEY=VALUE")
        table[key.strip()] = value.strip()
    return table


def reason_option(function: F) -> F:
    """Add ``--reason``."""
    return click.option("--reason", metavar="TEXT", help="Why: it is stored with the user and the time.")(function)


def json_option(function: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(function)


def configure_options(function: F) -> F:
    """Add what ``configure`` takes."""
    for decorate in reversed(
        (
            reach_options,
            click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE…"),
            click.option(
                "--rehearse", is_flag=True, help="Read the present settings, and change a simulated instrument only."
            ),
            click.option("--confirm", is_flag=True, help="Required: confirm that the instrument is to be changed."),
            reason_option,
            json_option,
        )
    ):
        function = decorate(function)
    return function


def require_matching_rows(file: str, **filters: str | None) -> None:
    """Refuse filters that match nothing. Without a filter the file is empty, which is a warning.

    Raises:
        ConfigError: there is a filter.
    """
    if any(filters.values()):
        hint = "Repeat the command without the filter to see what the file contains"
        raise ConfigError("no matching rows in the file", hint=hint, file=file, **filters)
    print_warning(f"{file}: nothing was recorded")


def _from_environment(parameter: str) -> bool:
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.ENVIRONMENT
