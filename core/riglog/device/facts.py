"""Facts that an instrument states anew with every value: the unit, the number of decimals, the form of the reply.

Pure. Such a fact is never learnt once and believed: it is read from each reply. A reply that was damaged so that its
check still fits can state a wrong one, and then contradicts the replies before it. A setting that was changed at the
panel contradicts them too, but in every further reply. Two replies in a row therefore decide.
"""

from collections.abc import Mapping


class StatedFacts:
    """The facts of one quantity, as the replies state them. A changed fact is proven by the second reply in a row."""

    def __init__(self) -> None:
        self._proven: dict[str, object] = {}
        self._candidate: dict[str, object] = {}

    def agree(self, facts: Mapping[str, object]) -> bool:
        """Return True if a reply states nothing that earlier replies have not proven. Changes nothing."""
        return _stated(facts).items() <= self._proven.items()

    def prove(self, facts: Mapping[str, object]) -> bool:
        """Return True if every fact of a reply is proven: by earlier replies, or by the reply before this one.

        Args:
            facts: by name; None: this reply states nothing about it.
        """
        stated = _stated(facts)
        if self.agree(facts) or stated.items() <= (self._proven | self._candidate).items():
            self._proven |= stated
            self._candidate = {}
            return True
        self._candidate = stated
        return False


def _stated(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: fact for name, fact in facts.items() if fact is not None}
