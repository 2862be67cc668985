"""``riglog <vendor> configure``: changes the communication settings of one instrument, or rehearses it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from riglog.cli.console import by_whom, messages, plain, print_warning, results
from riglog.cli.errors import DONE
from riglog.cli.options import device_spec, pairs
from riglog.cli.output import print_json, print_table
from riglog.cli.signals import run
from riglog.errors import ConfigError, ConfirmationError, RiglogError, did_you_mean
from riglog.manager.link_move import OpenPort, Rehearsal, SettingChange
from riglog.model import checked_reason
from riglog.model.actor import user
from riglog.transport import open_transport

NUMBERS = ("address", "baudrate")


class LinkSettings(NamedTuple):
    """What a plugin knows about the communication settings of its instruments: ``maintenance`` of each has all of it.

    Attributes:
        keys: the settings that the instrument can be told to change.
        new_config: return the configuration with other settings; a ConfigError or UnsupportedError if not possible.
        changes: return what is different in the instrument between two configurations.
        read_settings: return the settings as the instrument has them now, by the names of ``changes``. Reads only.
        move_link: change the instrument and return the new configuration.
        power_cycle: the instrument may have to be switched off and on: ``move_link`` takes ``on_power_cycle``.
    """

    keys: Sequence[str]
    new_config: Callable[..., Any]
    changes: Callable[[Any, Any], Sequence[SettingChange]]
    read_settings: Callable[..., Awaitable[Mapping[str, object]]]
    move_link: Callable[..., Awaitable[Any]]
    power_cycle: bool = False


def configure(
    driver: str,
    link_settings: LinkSettings,
    *,
    port: str | None,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    changes: tuple[str, ...],
    rehearse: bool,
    confirm: bool,
    reason: str | None,
    as_json: bool,
) -> int:
    """Show what changes, then rehearse or perform it, and show with which settings the instrument responds."""
    spec = device_spec(driver, port, protocol, address, options)
    why = checked_reason(reason)
    wanted = _wanted(changes, link_settings.keys)
    planned = link_settings.changes(spec.config, link_settings.new_config(spec.config, **wanted))
    if not rehearse and not as_json:
        _print_changes(planned)
    if not rehearse and not confirm:
        raise ConfirmationError(
            "changing the communication settings can make the instrument unreachable and needs confirmation",
            hint="Nothing was sent. --rehearse tries it with a simulated instrument; --confirm changes the instrument",
            device=spec.name,
            port=port,
        )

    async def perform(_: object) -> int:
        rehearsal = Rehearsal(spec.simulator()) if rehearse else None
        open_port = open_transport if rehearsal is None else rehearsal.open_port
        shown = planned
        if rehearse:
            reach = open_port if spec.port is not None and spec.port.simulated else open_transport
            shown = await _with_present(spec.config, planned, link_settings, wanted, reach)
            if not as_json:
                _print_changes(shown)

        def switch_off_and_on() -> None:
            if rehearsal is not None:
                rehearsal.simulator.set("power", "cycle")
            else:
                messages().print("[bold]switch the instrument off and on now[/]")

        power = {"on_power_cycle": switch_off_and_on} if link_settings.power_cycle else {}
        new = await link_settings.move_link(spec.config, **wanted, **power, confirm=True, open_port=open_port)
        settings = {
            key: getattr(new, key)
            for key in ("protocol", "address", "baudrate", "parity")
            if getattr(new, key) is not None
        }
        if as_json:
            rows = [{"setting": one.name, "old": one.old, "new": one.new} for one in shown]
            print_json({"changes": rows, "rehearsed": rehearse, "settings": settings, "user": user(), "reason": why})
            return DONE
        who = "the simulated instrument" if rehearse else "the same instrument"
        results().print(f"{who} responds with the new settings; in the rig file:", markup=False, soft_wrap=True)
        for key, value in settings.items():
            text = f'"{value}"' if isinstance(value, str) else str(value)
            results().print(plain(f"  {key} = {text}"))
        if not rehearse:
            messages().print(f"[dim]{plain(by_whom(why))}[/]", soft_wrap=True)
        if rehearse:
            messages().print("[dim]this was a rehearsal: nothing was changed in the instrument[/]")
        return DONE

    return run(perform)


def _print_changes(changes: Sequence[SettingChange]) -> None:
    rows = [(one.name, "" if one.old is None else one.old, one.new) for one in changes]
    print_table(("setting", "now", "new"), rows)


async def _with_present(
    config: Any,
    planned: Sequence[SettingChange],
    link_settings: LinkSettings,
    wanted: Mapping[str, Any],
    open_port: OpenPort,
) -> Sequence[SettingChange]:
    """Return the changes with the present settings as the instrument has them; as stated if it cannot be read."""
    new = link_settings.new_config(config, **wanted)
    try:
        present = await link_settings.read_settings(config, new, open_port=open_port)
    except RiglogError as error:
        print_warning(f"the present settings were not read from the instrument: {error.message}")
        return planned
    return [one._replace(old=present.get(one.name, one.old)) for one in planned]


def _wanted(changes: Sequence[str], keys: Sequence[str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for key, text in pairs(changes, "KEY=VALUE").items():
        if key not in keys:
            hint = f"{did_you_mean(key, keys)}Available: {', '.join(keys)}"
            raise ConfigError(f"{key!r} is not a communication setting of this instrument", hint=hint)
        if key in NUMBERS and not text.isdecimal():
            raise ConfigError(f"{key}: {text!r} is not a whole number", hint="For example address=4 or baudrate=19200")
        wanted[key] = int(text) if key in NUMBERS else text
    return wanted
