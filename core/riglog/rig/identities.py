"""Which instruments a rig must have: those of the run before, except where a replacement is accepted by name."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from riglog.config import RigConfig
from riglog.errors import ConfigError
from riglog.manager import Manager, acceptance
from riglog.model import Clock, Event
from riglog.rig.files import sqlite_files
from riglog.sinks.sqlite import stored_identities


class RigIdentities(Struct, frozen=True):
    """``stored`` are the identities of the latest run, by device name; ``accepted`` the devices that may have another.

    ``resumed``: the run is continued, so that its instruments are expected; a new run accepts those that are there.
    """

    stored: dict[str, str]
    accepted: tuple[str, ...]
    resumed: bool

    @property
    def expected(self) -> dict[str, str]:
        if not self.resumed:
            return {}
        return {name: identity for name, identity in self.stored.items() if name not in self.accepted}

    def acceptances(self, manager: Manager, clock: Clock, reason: str | None = None) -> Iterable[Event]:
        """Return an event for each device that was accepted, after it was opened."""
        for name in self.accepted:
            yield acceptance(name, self.stored.get(name), manager.identities.get(name), clock, reason)


def rig_identities(rig: RigConfig, *, resumed: bool, accepted: Sequence[str], run: str | None = None) -> RigIdentities:
    """Return the identities of a rig. Opens nothing but the recording, and only reads it.

    Args:
        run: the id of the run that is resumed; None: the latest one.

    Raises:
        ConfigError: an accepted name is not a device of the rig.
        StorageError: the recording cannot be read.
    """
    check_accepted(rig, accepted)
    found = (
        (stored_identities(path, rig.name, run=run) for path in sqlite_files(rig.sinks)) if resumed or accepted else ()
    )
    stored = next((identities for identities in found if identities), {})
    return RigIdentities(stored, tuple(dict.fromkeys(accepted)), resumed)


def check_accepted(rig: RigConfig, accepted: Sequence[str]) -> None:
    """Check the names of the devices whose instrument was replaced.

    Raises:
        ConfigError: a name is not a device of the rig.
    """
    names = [spec.name for spec in rig.specs]
    for name in accepted:
        if name not in names:
            raise ConfigError(
                f"accept_identity: unknown device {name!r}", hint=f"Devices of this rig: {', '.join(names)}"
            )
