"""Calls the hooks of all plugins, checks what they register, and keeps what is wrong with each plugin."""

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import pluggy
from msgspec import Struct
from msgspec.structs import replace

from riglog.errors import describe
from riglog.log import get_logger
from riglog.plugin import checks, hooks
from riglog.plugin.guard import each_is, plugin_code, traceback_text
from riglog.plugin.loader import LoadedPlugins, Plugin, duplicate

if TYPE_CHECKING:
    import click

    from riglog.plugin.driver import AnyDriver
    from riglog.sinks.base import SinkType

NO_HOOKS = "brings nothing: no hook implementation found (is @hookimpl missing?)"
NOTHING_REGISTERED = "brings nothing: its hooks register no driver, sink type or command"

Named = tuple[str, Any]
"""Something that a plugin registers, with its name."""

log = get_logger("riglog.plugin")


class _Problem(Struct, frozen=True):
    text: str
    traceback: str = ""


class _Offer(Struct, frozen=True):
    owner: str
    item: Any


class Collector:
    """What the plugins register, checked, and what is wrong with it.

    A name that several plugins use is given to none of them; a name of riglog itself stays with riglog.
    """

    def __init__(self, loaded: LoadedPlugins) -> None:
        self._manager = loaded.manager
        self._loaded = loaded.plugins
        self._labels = {plugin.name: plugin.label for plugin in loaded.plugins}
        self._problems: dict[str, list[_Problem]] = {}
        self._contributors: set[str] = set()
        self._refused: dict[Named, str] = {}

    def drivers(self) -> "dict[str, AnyDriver[Any]]":
        """Call ``riglog_drivers`` of every plugin."""
        return self._collect("driver", "riglog_drivers", _returned, checks.check_driver)

    def sinks(self) -> "dict[str, SinkType]":
        """Call ``riglog_sinks`` of every plugin."""
        return self._collect("sink type", "riglog_sinks", _returned, checks.check_sink)

    def commands(self) -> "dict[str, click.Command]":
        """Call ``riglog_commands`` of every plugin, each with an empty group, so that it can replace nothing."""
        return self._collect("command", "riglog_commands", _added, checks.check_command, hooks.CORE_COMMANDS)

    def plugins(self) -> tuple[Plugin, ...]:
        """Return all plugins, with what was found since they were loaded."""
        return tuple(self._with_findings(plugin) for plugin in self._loaded)

    def why_refused(self, what: str, name: str) -> str | None:
        """Return why a driver, sink type or command of that name is not available, if a plugin registers one."""
        return self._refused.get((what, name))

    def _collect(
        self,
        what: str,
        hook: str,
        named: Callable[[pluggy.HookImpl], Iterable[Named]],
        check: Callable[[object], str | None],
        reserved: Collection[str] = (),
    ) -> dict[str, Any]:
        offers: dict[str, list[_Offer]] = {}
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            owner = implementation.plugin_name
            with plugin_code(self._labels.get(owner, owner)) as caught:
                for name, item in named(implementation):
                    if wrong := _checked(check, item, owner):
                        self._refuse(what, name, owner, f"{what} {name}: {wrong.text}", wrong.traceback)
                    else:
                        offers.setdefault(name, []).append(_Offer(owner, item))
            if (error := caught.error) is not None:
                self._add_problem(owner, _Problem(f"{hook}() failed: {describe(error)}", traceback_text(error)))
        found: dict[str, Any] = {}
        for name, candidates in offers.items():
            for offer in candidates:
                problem = self._name_conflict(what, name, offer, candidates, reserved)
                if problem is None:
                    found[name] = offer.item
                    self._contributors.add(offer.owner)
                else:
                    self._refuse(what, name, offer.owner, problem)
        return found

    def _name_conflict(
        self, what: str, name: str, offer: _Offer, candidates: list[_Offer], reserved: Collection[str]
    ) -> str | None:
        """Return why an offer does not get its name; None if it does."""
        if self._is_builtin(offer):
            return None
        if name in reserved or any(self._is_builtin(other) for other in candidates):
            return f"{what} {name}: the name belongs to riglog itself"
        others = [other.owner for other in candidates if other is not offer]
        if offer.owner in others:
            return f"duplicate {what} name {name!r} within the plugin"
        return duplicate(f"{what} name", name, [self._labels[owner] for owner in others]) if others else None

    def _is_builtin(self, offer: _Offer) -> bool:
        return offer.owner not in self._labels

    def _refuse(self, what: str, name: str, owner: str, problem: str, traceback: str = "") -> None:
        self._refused[what, name] = f"Plugin {self._labels.get(owner, owner)} is installed, but: {problem}"
        self._add_problem(owner, _Problem(problem, traceback))

    def _add_problem(self, owner: str, problem: _Problem) -> None:
        self._problems.setdefault(owner, []).append(problem)
        log.warning("plugin %s: %s", self._labels.get(owner, owner), problem.text)

    def _with_findings(self, plugin: Plugin) -> Plugin:
        if plugin.state != "loaded":
            return plugin
        if problems := self._problems.get(plugin.name):
            tracebacks = [problem.traceback for problem in problems if problem.traceback]
            text = "; ".join(problem.text for problem in problems)
            return replace(plugin, problem=text, traceback="\n".join(tracebacks) or None)
        if plugin.name in self._contributors:
            return plugin
        used = self._manager.get_hookcallers(self._manager.get_plugin(plugin.name))
        return replace(plugin, warning=NOTHING_REGISTERED if used else NO_HOOKS)


def _checked(check: Callable[[object], str | None], item: object, owner: str) -> _Problem | None:
    """Return what is wrong with an item, also if its own code fails when it is looked at."""
    text: str | None = None
    with plugin_code(owner) as caught:
        text = check(item)
    if caught.error is not None:
        return _Problem(f"cannot be checked: {describe(caught.error)}", traceback_text(caught.error))
    return None if text is None else _Problem(text)


def _returned(hook: pluggy.HookImpl) -> Iterable[Named]:
    """Return what a hook returned, each item with its name."""
    return [(checks.label(item), item) for item in each_is(object, hook.function())]


def _added(hook: pluggy.HookImpl) -> Iterable[Named]:
    """Return the commands that a hook added, each with its name."""
    import click

    group = click.Group()
    hook.function(*(group for _ in hook.argnames))
    return list(group.commands.items())
