"""``riglog <vendor> configure``: changes the communication settings of one instrument, or rehearses it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from riglog.cli.console import by_whom, messages, plain, results
from riglog.cli.errors import DONE
from riglog.cli.options import device_spec, pairs
from riglog.cli.output import print_json, print_table
from riglog.cli.signals import run
from riglog.errors import ConfigError, ConfirmationError, did_you_mean
from riglog.manager.link_move import OpenPort, Rehearsal, SettingChange
from riglog.model import checked_reason
from riglog.model.actor import user

NUMBERS = ("address", "baudrate")

Plan = Callable[[Any, Mapping[str, Any]], Sequence[SettingChange]]
"""Return what will be different, for a configuration and the wanted keys.

Raises:
    ConfigError, UnsupportedError: it is not possible.
"""

Move = Callable[[Any, Mapping[str, Any], OpenPort | None, Callable[[], None]], Awaitable[Any]]
"""Change the instrument and return the new configuration.

The third argument opens the port (None: by its name), the last one is called when it has to be switched off and on.
"""


def configure(
    driver: str,
    keys: Sequence[str],
    plan: Plan,
    move: Move,
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
    """Show what changes, then rehearse or perform it, and show with which settings the instrument responds.

    Args:
        keys: the settings that the instrument can be told to change.
    """
    spec = device_spec(driver, port, protocol, address, options)
    why = checked_reason(reason)
    wanted = _wanted(changes, keys)
    planned = plan(spec.config, wanted)
    if not as_json:
        print_table(
            ("setting", "now", "new"), [(one.name, "" if one.old is None else one.old, one.new) for one in planned]
        )
    if not rehearse and not confirm:
        raise ConfirmationError(
            "changing the communication settings can make the instrument unreachable and needs confirmation",
            hint="Nothing was sent. --rehearse tries it with a simulated instrument; --confirm changes the instrument",
            device=spec.name,
            port=port,
        )

    async def perform(_: object) -> int:
        rehearsal = Rehearsal(spec.simulator()) if rehearse else None

        def switch_off_and_on() -> None:
            if rehearsal is not None:
                rehearsal.simulator.set("power", "cycle")
            else:
                messages().print("[bold]switch the instrument off and on now[/]")

        new = await move(spec.config, wanted, None if rehearsal is None else rehearsal.open_port, switch_off_and_on)
        settings = {
            key: getattr(new, key)
            for key in ("protocol", "address", "baudrate", "parity")
            if getattr(new, key) is not None
        }
        if as_json:
            rows = [{"setting": one.name, "old": one.old, "new": one.new} for one in planned]
            print_json({"changes": rows, "rehearsed": rehearse, "settings": settings, "user": user(), "reason": why})
            return DONE
        who = "the simulated instrument" if rehearse else "the same instrument"
        results().print(f"{who} responds with the new settings; in the rig file:", markup=False, soft_wrap=True)
        for key, value in settings.items():
            shown = f'"{value}"' if isinstance(value, str) else str(value)
            results().print(plain(f"  {key} = {shown}"))
        if not rehearse:
            messages().print(f"[dim]{plain(by_whom(why))}[/]", soft_wrap=True)
        if rehearse:
            messages().print("[dim]this was a rehearsal: nothing was sent to the instrument[/]")
        return DONE

    return run(perform)


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
