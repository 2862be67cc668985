"""What the rig file states of its instruments, compared with what is there: serial numbers, ends of certificates."""

import re
from collections.abc import Iterator, Mapping, Sequence

import anyio

from riglog.acquire import ActiveRun
from riglog.manager import Manager
from riglog.model import Clock, Event, EventKind, storable
from riglog.model.equipment import Certificate, Equipment

LOOK_SECONDS = 1.0
SOON_DAYS = 30
"""So many days before its end a certificate is worth a warning."""
WORD = re.compile(r"[^\s,;:=()\[\]\"']+")


async def watch_equipment(equipment: Sequence[Equipment], manager: Manager, recording: ActiveRun, clock: Clock) -> None:
    """Report overdue certificates, and instruments with another serial number, until cancelled.

    Each is reported at the start and when it occurs. A certificate that is overdue, is not because the clock was set
    back, and is again, is reported twice.
    """
    overdue: set[tuple[str, str]] = set()
    compared: dict[str, str] = {}
    while not recording.stopping:
        now = clock.utc_ns()
        present = {(each.device, one.number): one for each, one in certificates(equipment) if one.is_overdue(now)}
        for device, number in present.keys() - overdue:
            message = overdue_message(present[device, number])
            recording.add_event(Event(now, EventKind.CERTIFICATE_OVERDUE, message, device))
        overdue = {*present}
        identities = manager.identities
        for each in equipment:
            found = identities.get(each.device)
            if found is not None and compared.get(each.device) != found:
                compared[each.device] = found
                differs = difference(each, found)
                if differs is not None:
                    recording.add_event(Event(now, EventKind.EQUIPMENT_DIFFERS, differs, each.device))
        await anyio.sleep(LOOK_SECONDS)


def certificates(equipment: Sequence[Equipment]) -> Iterator[tuple[Equipment, Certificate]]:
    """Return each certificate with its equipment."""
    return ((each, certificate) for each in equipment for certificate in each.certificates)


def overdue_message(certificate: Certificate) -> str:
    """Return what the event of an overdue certificate states."""
    return storable(f"certificate {certificate.number} was valid until {certificate.valid_until}")


def difference(equipment: Equipment, identity: str) -> str | None:
    """Return how an identity differs from the serial number that the rig file states; None if it has it.

    An identity can have more than the serial number; so it is compared word by word, without zeros in front.
    """
    stated = equipment.serial_number
    if stated is None or identity == stated:
        return None
    words = {_plain(word) for word in WORD.findall(identity)} | {_plain(identity)}
    if _plain(stated) in words:
        return None
    return storable(f"serial number {stated} in the rig file, {identity} read from the instrument")


def differences(equipment: Sequence[Equipment], identities: Mapping[str, str]) -> dict[str, str]:
    """Return the differences by device."""
    found = {each.device: difference(each, identities[each.device]) for each in equipment if each.device in identities}
    return {device: message for device, message in found.items() if message is not None}


def _plain(text: str) -> str:
    return text.strip().lower().lstrip("0")
