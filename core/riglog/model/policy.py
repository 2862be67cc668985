"""What to do when one of several devices fails, and what came of each."""

from enum import Enum
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class ErrorPolicy(Enum):
    """RAISE: collect every result, then raise an ExceptionGroup. RETURN: look at ``result.error``."""

    RAISE = "raise"
    RETURN = "return"


class DeviceResult(Struct, Generic[T], frozen=True):
    """What came of one operation on one device: a value, or the error instead of it."""

    device: str
    value: T | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        return self.error is None
