"""The names of parameters, the names that people use for them, and checks that report every mistake. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TypeVar

from riglog.errors import ConfigError, did_you_mean

Item = TypeVar("Item")
Result = TypeVar("Result")


class Names:
    """The parameters of one kind of instrument by name, and the aliases of each.

    Upper and lower case are the same in an alias, and so are spaces, hyphens and ``_``. An alias of several parameters
    is refused: what it means elsewhere may be another parameter than here.

    Args:
        aliases: the other names of each parameter, by its name.
        manual: further names, such as those of the manual; an alias goes first.
        meanings: what a parameter is, for the error about an alias of several.
    """

    def __init__(
        self,
        aliases: Mapping[str, Iterable[str]],
        *,
        manual: Mapping[str, Iterable[str]] | None = None,
        meanings: Mapping[str, str] | None = None,
    ) -> None:
        self.known = tuple(aliases)
        self._tiers = ({name: (name,) for name in aliases}, aliases, manual or {})
        self._meanings = meanings or {}

    def find(self, name: str) -> str | None:
        """Return the name under which the parameter is recorded; None if there is none.

        Raises:
            ConfigError: it is an alias of several parameters.
        """
        if name in self._tiers[0]:
            return name
        for tier in self._meant:
            if meant := tier.get(_plain(name)):
                if len(meant) > 1:
                    choice = " or ".join(self._explained(one) for one in meant)
                    raise ConfigError(f"ambiguous parameter name {name!r}", hint=f"Use {choice}")
                return meant[0]
        return None

    def suggestion(self, name: str) -> str:
        """Return ``Did you mean 'setpoint'?`` with a blank behind it, or nothing if no name is similar."""
        aliases = [alias for others in self._tiers[1].values() for alias in others]
        return did_you_mean(name, [*self.known, *aliases])

    def _explained(self, name: str) -> str:
        return f"{name} ({self._meanings[name]})" if name in self._meanings else name

    @cached_property
    def _meant(self) -> list[dict[str, list[str]]]:
        """What each alias can mean. An alias is compared with those of its own tier only."""
        tiers: list[dict[str, list[str]]] = []
        for tier in self._tiers:
            meant: dict[str, list[str]] = {}
            for name, others in tier.items():
                for other in dict.fromkeys(map(_plain, others)):
                    meant.setdefault(other, []).append(name)
            tiers.append(meant)
        return tiers


def try_each(check: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of a check of every item.

    Raises:
        ConfigError: the only mistake.
        ExceptionGroup: one ConfigError for each mistake.
    """
    results, mistakes = [], []
    for item in items:
        try:
            results.append(check(item))
        except ConfigError as error:
            mistakes.append(error)
    raise_mistakes(mistakes)
    return results


def raise_mistakes(mistakes: list[ConfigError]) -> None:
    """Raise the only mistake, or all of them as an ExceptionGroup; nothing if there is none."""
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise ExceptionGroup("several mistakes", mistakes)


def mistakes_in(group: ExceptionGroup[Exception]) -> list[ConfigError]:
    """Return the mistakes in a group. Raises the group if it has other errors too."""
    mistakes, others = group.split(ConfigError)
    if mistakes is None or others is not None:
        raise group
    return [error for each in mistakes.exceptions for error in _flat(each)]


def _flat(error: Exception) -> list[ConfigError]:
    if isinstance(error, ExceptionGroup):
        return [each for inner in error.exceptions for each in _flat(inner)]
    assert isinstance(error, ConfigError)
    return [error]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())
