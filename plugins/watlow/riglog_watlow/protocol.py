"""The interface of a wire protocol: how the parameters of one controller are read and written."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from riglog.protocol import Transactor
from riglog_watlow.errors import ParameterAbsentError
from riglog_watlow.parameters import Parameter, WireValue
from riglog_watlow.samples import Raw, WireUnits
from riglog_watlow.targets import Settings, Target

AnyTransactor = Transactor[Any, Any]
"""The client of a port, which takes the port for each transaction, or a line that is held already."""

Block = tuple[Target, ...]
"""What one transaction reads."""


class WatlowProtocol(ABC):
    """The parameters of one controller over one wire protocol.

    What a model does not have is requested once: it is noted in ``absent``, until the set-up is read again.

    Attributes:
        absent: the parameters that the model does not have, and the error with which it refused each.
    """

    def __init__(self) -> None:
        self.absent: dict[Target, ParameterAbsentError] = {}

    @abstractmethod
    async def read_setup(self, line: AnyTransactor) -> None:
        """Read how the controller transmits its parameters, and check that it is of the configured kind.

        Raises:
            ProtocolError: no reply, or an invalid one.
            WrongInstrumentError: another kind of controller.
            SetupChangedError: what was read contradicts itself, as something was changed in between.
        """

    def is_shown_by(self, settings: Settings) -> bool:
        """Return whether the settings, read after the set-up, still show the layout that it detected."""
        return True

    @abstractmethod
    def settings_of(self, parameter: Parameter) -> tuple[Target, ...]:
        """Return the settings that decide how a parameter is transmitted, as they can be changed at the panel."""

    @abstractmethod
    def units_from(self, settings: Settings) -> WireUnits:
        """Return the units according to the settings that are known."""

    def others(
        self, target: Target, raw: Raw, units: WireUnits, settings: Settings
    ) -> Iterable[tuple[WireValue, WireUnits]]:
        """Return what was transmitted as it would be under all other settings."""
        return ()

    def adopt(self, setting: Target, raw: Raw) -> WireValue | None:
        """Use a setting from now on, and return it; None if the layout cannot be the one that is known."""
        return raw.value

    @abstractmethod
    def group_into_blocks(self, targets: Iterable[Target]) -> list[Block]:
        """Return the targets, grouped into what one transaction reads."""

    @abstractmethod
    async def read(self, line: AnyTransactor, block: Block, *, retries: int = 0) -> dict[Target, Raw]:
        """Read a block. What the model does not have is left out, and noted in ``absent``.

        Raises:
            DeviceRefusedError, ProtocolError: no values.
        """

    @abstractmethod
    def encode(self, target: Target, value: WireValue) -> bytes | list[int]:
        """Return a value as it is transmitted; values that are equal then are equal in the controller.

        Raises:
            WriteRefusedError: it does not fit the data type.
        """

    @abstractmethod
    async def write(self, line: AnyTransactor, target: Target, value: WireValue) -> WireValue | None:
        """Write one value, once. Return the value that the controller confirms; None if its reply contains none.

        Raises:
            DeviceRefusedError: it was not written.
            ProtocolError: it is not known whether it was written.
            WriteRefusedError: it does not fit the data type; nothing was sent.
        """

    async def read_one(self, line: AnyTransactor, target: Target) -> Raw:
        """Read one value, with one retry.

        Raises:
            ParameterAbsentError: the model does not have it; nothing was sent if that was known.
            DeviceRefusedError, ProtocolError: no value.
        """
        known = target in self.absent
        values = {} if known else await self.read(line, (target,), retries=1)
        if target not in values:
            raise self.absent_error(target, known=known)
        return values[target]

    def note_absent(self, target: Target, error: ParameterAbsentError) -> None:
        """Note that the model does not have a parameter."""
        self.absent[target] = error.with_traceback(None)

    def absent_error(self, target: Target, *, known: bool) -> ParameterAbsentError:
        """Return the error for a parameter that the model does not have.

        It is a new one each time: an error that is raised again and again keeps every traceback.

        Args:
            known: it was found before, and nothing has been sent now.
        """
        found = self.absent[target]
        message = f"{found.message} (not requested again)" if known else found.message
        error = type(found)(message, code=found.code, hint=found.hint, parameter=str(target))
        if not known:
            error.context |= found.context
        return error
