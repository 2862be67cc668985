"""Operations on several devices: what happens when one of them fails, and the result of each."""

from enum import Enum
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class ErrorPolicy(Enum):
    """RAISE: collect all results, then raise an ExceptionGroup. RETURN: errors are in ``result.error``."""

    RAISE = "raise"
    RETURN = "return"


class DeviceResult(Struct, Generic[T], frozen=True):
    """The result of one operation on one device: a value, or an error."""

    device: str
    value: T | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        return self.error is None
