"""Events: what happened during a run, stored with its time."""

from enum import StrEnum

from msgspec import Struct

from riglog.model.actor import Actor

RENAMED_KINDS = {
    "port_back": "port_restored",
    "device_silent": "device_not_responding",
    "device_back": "device_responding",
    "late": "slots_skipped",
    "dropped": "samples_dropped",
    "sink_back": "sink_recovered",
}
"""Kinds in recordings of early versions, and what they are called now. Readers accept them for ever."""

IDENTITY = "identity: "
"""How the message of IDENTITY_EXPECTED begins; the identity itself follows."""


class EventKind(StrEnum):
    """What happened. ``EventKind("port_back")``, a kind under its early name, is PORT_RESTORED."""

    RUN_STARTED = "run_started"
    RUN_FINISHED = "run_finished"
    RUN_RESUMED = "run_resumed"
    PORT_LOST = "port_lost"
    PORT_RESTORED = "port_restored"
    DEVICE_ABSENT = "device_absent"  # it could not be opened; the message is the reason
    DEVICE_PRESENT = "device_present"  # after DEVICE_ABSENT: it was opened
    DEVICE_NOT_RESPONDING = "device_not_responding"
    DEVICE_RESPONDING = "device_responding"
    IDENTITY_EXPECTED = "identity_expected"  # that of the run: IDENTITY and the identity
    WRONG_INSTRUMENT = "wrong_instrument"
    IDENTITY_CONFIRMED = "identity_confirmed"  # after one of the two others
    IDENTITY_UNCONFIRMED = "identity_unconfirmed"
    IDENTITY_ACCEPTED = "identity_accepted"  # an instrument was replaced on purpose
    EQUIPMENT_DIFFERS = "equipment_differs"  # the serial number read is not the one that the rig file states
    CERTIFICATE_OVERDUE = "certificate_overdue"
    DRIVER_FAILED = "driver_failed"
    UNIT_CHANGED = "unit_changed"  # the values of a channel come in another unit; each row has its own
    WRITE = "write"  # a parameter of an instrument was changed
    SLOTS_SKIPPED = "slots_skipped"
    SAMPLES_DROPPED = "samples_dropped"
    CLOCK_STEP = "clock_step"
    CLOCK_CHECKED = "clock_checked"  # how good the clock is, with figures
    SINK_FAILED = "sink_failed"
    SINK_RECOVERED = "sink_recovered"
    RECORDING_MOVED = "recording_moved"  # somebody deleted or moved the file; the message says where the rows are
    RECORDING_DAMAGED = "recording_damaged"  # lines of a file that is continued cannot be read
    RECORDING_CONTINUED = "recording_continued"  # in a further file, and the message says in which; or from which
    LOG_GROWING = "log_growing"  # a program reads the recording in one transaction that does not end
    FORWARD_DELAYED = "forward_delayed"  # the rows are stored locally, and not in the central database yet
    FORWARD_RESUMED = "forward_resumed"
    NOTE = "note"  # words of the operator
    ALARM_DEFINED = "alarm_defined"
    ALARM_RAISED = "alarm_raised"
    ALARM_CLEARED = "alarm_cleared"
    ALARM_ACKNOWLEDGED = "alarm_acknowledged"
    ALARM_ACTION_FAILED = "alarm_action_failed"

    @classmethod
    def _missing_(cls, value: object) -> "EventKind | None":
        return cls(RENAMED_KINDS[value]) if isinstance(value, str) and value in RENAMED_KINDS else None


class Detail(Struct, frozen=True):
    """What a store with tables keeps of an event besides its message."""


class Event(Struct, frozen=True):
    """Something that happened. ``at_ns`` is UTC, in nanoseconds since the epoch.

    ``actor`` and ``reason``: who has caused it, and why; None if that is not known, or in the detail.
    """

    at_ns: int
    kind: EventKind
    message: str
    device: str | None = None
    port: str | None = None
    detail: Detail | None = None
    actor: Actor | None = None
    reason: str | None = None


class ParameterWrite(Detail, frozen=True, kw_only=True):
    """A change of an instrument. ``parameter`` is that of its channel, or the name of a command, such as ``tare``.

    Attributes:
        old_value: what was read before; None: it cannot be read, or was not.
        new_value: what was read back, or else what was sent; None for a command without a value.
        confirmed: it was read back, or acknowledged by the instrument. False: it is not known whether it was executed.
    """

    parameter: str
    instance: int = 1
    old_value: float | str | None = None
    new_value: float | str | None = None
    unit: str | None = None
    confirmed: bool = False


def current_kind(stored: str) -> str:
    """Return the present name of a stored kind. A kind of a newer version is returned unchanged."""
    return RENAMED_KINDS.get(stored, stored)
