"""The blocking API for type checkers. Written by tests/support/sync_stub.py; do not edit."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from riglog.acquire import SinkResult
from riglog.acquire.buffer import Overflow
from riglog.acquire.pipe import CLOSE_TIMEOUT_SECONDS
from riglog.acquire.plain_source import Pollable
from riglog.acquire.summary import AcquisitionSummary
from riglog.config import RigConfig
from riglog.device import Pace, PollSource, SourceGroup
from riglog.errors import RiglogError
from riglog.model import SYSTEM_CLOCK, Batch, Channel, Clock, DeviceResult, ErrorPolicy, Event, Note, Run, Sample, Sink
from riglog.plugin import AnyDriver, Registry
from riglog.protocol.wire_log import WireLog
from riglog.recordings.messages import WAIT_SECONDS, Delivery
from riglog.rig.outcome import Outcome
from riglog.timekeeping import ClockSource
from riglog.transport import Transport

T = TypeVar("T")
Request = TypeVar("Request")

class Device:
    """A blocking Device: see ``riglog.Device``."""

    name: str
    pace: Pace
    rate_hz: float | None
    channels: tuple[Channel, ...]
    def identity(self) -> str | None: ...
    def poll(self) -> Sequence[Sample]: ...
    def poll_steadily(self) -> Sequence[Sample]: ...
    def settle(self) -> None: ...
    def set_parameter(self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False) -> Sample | None: ...
    def __getattr__(self, name: str) -> Any: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class Manager:
    """A blocking Manager: see ``riglog.Manager``."""

    error_policy: ErrorPolicy
    rate_hz: float | None
    def __init__(
        self,
        *,
        error_policy: ErrorPolicy = ErrorPolicy.RAISE,
        registry: Registry | None = None,
        clock: Clock = SYSTEM_CLOCK,
        wire_logs: Sequence[WireLog] = (),
        read_only: bool = False,
    ) -> None: ...
    @overload
    def add(
        self,
        name: str,
        source: str | Transport | None = None,
        *,
        driver: AnyDriver[Any],
        absent_ok: bool = False,
        **options: Any,
    ) -> Device: ...
    @overload
    def add(self, name: str, source: Device) -> Device: ...
    @overload
    def add(
        self, name: str, source: str | Transport | None = None, *, driver: str, absent_ok: bool = False, **options: Any
    ) -> Device: ...
    def remove(self, name: str) -> None: ...
    @property
    def names(self) -> list[str]: ...
    def get(self, name: str) -> Device: ...
    def port(self, port: str) -> Any: ...
    @property
    def channels(self) -> list[Channel]: ...
    @property
    def absent(self) -> dict[str, RiglogError]: ...
    @property
    def identities(self) -> dict[str, str]: ...
    def accept_identity(self, name: str, *, reason: str | None = None) -> None: ...
    def poll(
        self,
        names: Sequence[str] | None = None,
        *,
        parameters: Sequence[str] | None = None,
        instances: Sequence[int] | None = None,
    ) -> list[Sample]: ...
    def poll_each(
        self,
        names: Sequence[str] | None = None,
        *,
        parameters: Sequence[str] | None = None,
        instances: Sequence[int] | None = None,
    ) -> dict[str, DeviceResult[Sequence[Sample]]]: ...
    def canonical_names(self, parameters: Sequence[str]) -> Sequence[str]: ...
    def execute_each(
        self, operation: Callable[[Device], T], names: Sequence[str] | None = None
    ) -> dict[str, DeviceResult[T]]: ...
    def execute(
        self, operation: Callable[[Device, Request], T], requests: Mapping[str, Request]
    ) -> dict[str, DeviceResult[T]]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class ActiveRun:
    """A blocking ActiveRun: see ``riglog.ActiveRun``."""

    rate_hz: float
    summary: AcquisitionSummary
    def ticks(self) -> Iterator[Batch]: ...
    def stop(self) -> None: ...
    @property
    def stopping(self) -> bool: ...
    def add_note(
        self,
        text: str,
        *,
        at: datetime | None = None,
        author: str | None = None,
        device: str | None = None,
        reason: str | None = None,
    ) -> Note: ...
    def acknowledge_alarm(self, name: str, *, author: str | None = None, reason: str | None = None) -> None: ...
    def take_events(self) -> Sequence[Event]: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

@overload
def open_device(
    driver: AnyDriver[Any], port: str | None = None, *, name: str | None = None, **options: Any
) -> Device: ...
@overload
def open_device(driver: str, port: str | None = None, *, name: str | None = None, **options: Any) -> Device: ...
def open_rig(
    rig: RigConfig | str | Path,
    *,
    require_all: bool = True,
    error_policy: ErrorPolicy = ErrorPolicy.RAISE,
    registry: Registry | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Manager: ...
def record(
    source: Device | Manager | PollSource | SourceGroup | Pollable,
    *,
    rate_hz: float,
    duration: float | None = None,
    names: Sequence[str] | None = None,
    parameters: Sequence[str] | None = None,
    instances: Sequence[int] | None = None,
    overflow: Overflow = Overflow.BLOCK,
    buffer_size: int = 64,
    resumed_from: Run | None = None,
    slot_zero_ns: int | None = None,
    follows: str | None = None,
    reason: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> ActiveRun: ...
def pipe(
    active_run: ActiveRun,
    *sinks: Sink | str | Path,
    run: Run | None = None,
    batch_size: int = 512,
    flush_interval: float = 1.0,
    buffer_size: int = 100000,
    close_timeout: float = CLOSE_TIMEOUT_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> list[SinkResult]: ...
def record_rig(
    rig: RigConfig | str | Path,
    *,
    duration: float | str | None = None,
    out: str | Path | None = None,
    resume: Run | bool = False,
    accept_identity: Sequence[str] = (),
    require_all: bool = False,
    wait: bool = False,
    allow_commands: bool = False,
    reason: str | None = None,
    stop: threading.Event | None = None,
    on_opening: Callable[[str, str], None] | None = None,
    on_start: Callable[[ActiveRun], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    registry: Registry | None = None,
    clock: Clock = SYSTEM_CLOCK,
    clock_source: ClockSource | None = None,
) -> Outcome: ...
def note(
    path: str | Path,
    text: str,
    *,
    at: datetime | str | None = None,
    author: str | None = None,
    device: str | None = None,
    reason: str | None = None,
    timeout: float = WAIT_SECONDS,
) -> Delivery: ...
