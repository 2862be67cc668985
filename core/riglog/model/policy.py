"""Operations on several devices: what happens when one of them fails, and the result of each."""

from enum import Enum
from typing import Generic, Self, TypeVar

from msgspec import Struct

T = TypeVar("T")


class ErrorPolicy(Enum):
    """RAISE: collect all results, then raise an ExceptionGroup. RETURN: errors are in ``result.error``."""

    RAISE = "raise"
    RETURN = "return"


class DeviceResult(Struct, Generic[T], frozen=True):
    """The result of one operation on one device: a value, or an error.

    ``protocol`` is the wire protocol of the device; None if the device is not known by one.
    """

    device: str
    value: T | None = None
    error: Exception | None = None
    protocol: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @classmethod
    def success(cls, device: str, value: T, *, protocol: str | None = None) -> Self:
        """Return the result of an operation that succeeded."""
        return cls(device, value, None, protocol)

    @classmethod
    def failure(cls, device: str, error: Exception, *, protocol: str | None = None) -> Self:
        """Return the result of an operation that failed."""
        return cls(device, None, error, protocol)
