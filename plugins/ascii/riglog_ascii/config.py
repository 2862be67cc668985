"""The keys of a ``[[device]]`` table for an instrument with an ASCII protocol."""

from typing import Annotated

from msgspec import Meta

from riglog.instrument import InstrumentConfig

ASCII = "ascii"


class AsciiConfig(InstrumentConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of one instrument. ``address``: only if its requests have one. ``retries``: of reads."""

    address: Annotated[int, Meta(ge=0, le=999)] | None = None
    retries: Annotated[int, Meta(ge=0, le=2)] = 0
