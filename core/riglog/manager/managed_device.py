"""One device of a rig: decides whether it is polled, checks its identity after an interruption, returns its samples.

Every poll gives one sample per channel. Errors become missing samples; only a lost connection is raised.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from traceback import extract_tb, format_exception
from typing import Any

import anyio

from riglog.device import (
    DRIVER_ERROR,
    MAX_REPORTED_PROBLEMS,
    Began,
    Device,
    Pace,
    PortDevice,
    check_channels,
    check_poll,
    is_plugin_fault,
    missing,
)
from riglog.device.polling import has_responded
from riglog.errors import (
    ConfigError,
    ConnectionLostError,
    DeviceError,
    MalformedReplyError,
    ProtocolError,
    ReplyTimeoutError,
    RiglogError,
    describe,
    did_you_mean,
)
from riglog.log import get_logger
from riglog.manager.absence import Absence
from riglog.manager.breaker import THRESHOLD, Breaker
from riglog.manager.identity import KnownIdentity
from riglog.manager.opening import repeated
from riglog.manager.time_limit import CLOSE_SECONDS, OverdueError, TimeLimit, open_seconds, poll_seconds, within
from riglog.model import NS, Channel, Clock, EventKind, Sample, Status
from riglog.plugin.config import IDENTITY_CHECK_SECONDS
from riglog.protocol import HeldLine

log = get_logger("riglog.manager")

Report = Callable[[EventKind, str, str | None], None]
"""Called with the kind of an event, its message, and the name of the device it is about."""

PAUSE_SECONDS = 0.5
MOST_DAMAGED = 5
"""Frames in a row of a device that sets its own pace: so many are no disturbance, the device cannot be read."""
SUSPENDED = "device not responding: polling suspended, retried at intervals"
NOTHING_RECEIVED = "device not responding: nothing received"
IDENTITIES_DIFFER = "two reads of the identity differ"
NOT_CONFIRMED = "identity not confirmed after the interruption: value not recorded"


class ManagedDevice:
    """A device and its state: responding, suspended, or awaiting an identity check. Each change of state is one event.

    Args:
        address: its address on a shared port; None if it needs the port for itself, or has none.
        parameters: the parameters to keep, if the driver has not selected them itself; empty: all.
        canonical_name: returns the name under which a parameter is recorded, or None if the driver knows none.
        identity_check: seconds between two identity checks while it is polled without interruption; 0: none.
        opener: makes the device; None: it is there already, and only has to be opened.
        on_present: called when a device that was absent has been opened.

    Attributes:
        absence: why the device has not been opened yet, and when to try again; None: it was opened.
    """

    def __init__(
        self,
        device: Device,
        report: Report,
        clock: Clock,
        *,
        address: int | str | None = None,
        parameters: Sequence[str] = (),
        canonical_name: Callable[[str], str | None] = lambda name: None,
        identity_check: float = IDENTITY_CHECK_SECONDS,
        opener: Callable[[], Awaitable[Device]] | None = None,
        on_present: Callable[[], None] = lambda: None,
    ) -> None:
        self.device = device
        self.address = address
        self.identity = KnownIdentity(identity_check)
        self.absence: Absence | None = None
        self._opener = opener
        self._on_present = on_present
        self._closed = False
        self._parameters = parameters
        self.canonical_name = canonical_name
        self._declared: tuple[Channel, ...] = device.channels
        self._report = report
        self._clock = clock
        self._breaker = Breaker()
        self._polls_without_request = 0  # in a row
        self._reported_busy = False
        self._damaged = 0  # frames in a row
        self._line_busy = False  # so that the identity could not be requested in the poll under way
        self._responded: bool | None = None  # in the poll under way; None: nothing was requested
        self._overdue = 0.0  # seconds after which the poll under way was cancelled
        self._time_limit = TimeLimit()
        self._reported_problems: set[object] = set()

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels; of an absent device those that its configuration names, as far as the driver knows them."""
        return (self.absence or self.device).channels

    @property
    def rate_hz(self) -> float | None:
        """Its own rate; None: that of the run."""
        return (self.absence or self.device).rate_hz

    @property
    def pace(self) -> Pace:
        """What determines when samples come, as far as it is known while the device is absent."""
        return (self.absence or self.device).pace

    @property
    def suspended(self) -> bool:
        """True if the device does not respond and is polled at intervals only, or has not been opened yet."""
        return self.absence is not None or self._breaker.open

    @property
    def responding(self) -> bool:
        """True if the device responded to the last poll."""
        return self.absence is None and not self._breaker.failing

    async def open(self, *, repeat: bool = True) -> None:
        """Open the device. Its identity now is the one it must have later, if none is expected yet.

        Args:
            repeat: try again if a reply was lost; see ``repeated``.

        Raises:
            ConfigError: the configuration names a parameter that the device does not have.
            ProtocolError, DeviceError: see ``Device.open``.
        """
        if self._opener is None:
            await (repeated(self._open, self.device, self._now) if repeat else self._open())
            return
        before, self.device = self.device, await self._opener()
        try:
            await self._open()
            self.device.on_write, self.device.on_change = before.on_write, before.on_change
            self.device.read_only = before.read_only
        except BaseException:
            opened, self.device = self.device, before
            with anyio.CancelScope(shield=True), suppress(Exception):
                await within(CLOSE_SECONDS, opened.aclose(), "aclose()")
            raise

    async def _open(self) -> None:
        declared = self.device.channels
        try:
            await within(open_seconds(self.device), self.device.open(), "open()")
            self.accept_channels()
            await self.learn_identity()
        except BaseException:
            self.device.channels = declared  # not those that were selected: it may be opened again
            raise

    def become_absent(self, error: RiglogError) -> None:
        """Note that the device could not be opened. Until ``appear``, its rows are skipped, with the reason."""
        channels = self.device.channels
        with suppress(ConfigError):  # found again when it is opened
            channels = selected(channels, self._parameters, self.name)
        self.absence = Absence(error, self.device, channels, self._now())

    async def appear(self) -> None:
        """Open a device that was absent; from now on it is polled. A new reason why it cannot be opened is an event.

        Raises:
            Exception: it cannot be opened yet.
        """
        assert self.absence is not None
        try:
            await self.open(repeat=False)
        except BaseException as error:
            if not is_plugin_fault(error):
                raise
            self.note_still_absent(error)
            raise
        self.absence = None
        if self._closed:  # it was removed meanwhile
            await self.aclose()
            return
        self._report(EventKind.DEVICE_PRESENT, "device opened: it is recorded from now on", self.name)
        self._on_present()

    def note_still_absent(self, error: BaseException) -> None:
        """Note why an attempt to open an absent device failed."""
        if self.absence is not None:
            if not isinstance(error, RiglogError):
                error = DeviceError(f"{DRIVER_ERROR}: {describe(error)}")
            if self.absence.note(error):
                self.report_absence()

    def report_absence(self) -> None:
        """Report that the device is absent, and why."""
        if self.absence is not None:
            self._report(EventKind.DEVICE_ABSENT, f"absent, opened when it responds: {self.absence.reason}", self.name)

    async def learn_identity(self) -> None:
        """Read the identity, and what that takes. If another one is expected, the first poll checks it.

        Raises:
            ProtocolError, DeviceError: no identity was received.
        """
        started = self._now()
        found = await within(open_seconds(self.device), self.device.identity(), "identity()")
        self.identity.note_check(self._now(), self._now() - started)
        if not self.identity.learn(found, self._clock.utc_ns()):
            self.require_identity_check()

    async def accept_identity(self) -> str | None:
        """Expect the identity that the instrument has now, and return it.

        Raises:
            PortError, ProtocolError, DeviceError: no identity was received; the one before is expected.
        """
        found = await within(open_seconds(self.device), self.device.identity(), "identity()")
        self.identity.forget()
        self.identity.learn(found, self._clock.utc_ns())
        self.require_identity_check()  # its set-up was not read yet
        return self.identity.expected

    async def reopen(self) -> None:
        """Open a device without a port again, after a loss. Its identity is checked at the next poll.

        Raises:
            DeviceError: it declares other channels than before.
        """
        recorded, declared = self.device.channels, self._declared
        try:
            await within(open_seconds(self.device), self.device.open(), "open()")
            found = {*self.device.channels}
        finally:
            self.device.channels = recorded
        if found not in ({*declared}, {*recorded}):
            raise DeviceError("the device that was opened again has other channels than before", device=self.name)

    def accept_channels(self) -> None:
        """Take over the channels of an opened device, limited to the configured parameters.

        Raises:
            DeviceError: the device declares channels of another device, or one twice.
            ConfigError: the configuration names a parameter that the device does not have.
        """
        self._declared = tuple(self.device.channels)
        check_channels(self._declared, self.name)
        self.device.channels = selected(self._declared, self._parameters, self.name)

    async def aclose(self) -> None:
        """Release the device if it was opened; one that does not end in time is left as it is.

        Raises:
            Exception: what the device raised.
        """
        self._closed = True
        self._time_limit.close()
        if self.absence is not None:
            return
        try:
            await within(CLOSE_SECONDS, self.device.aclose(), "aclose()")
        except OverdueError as error:
            self._report(EventKind.DRIVER_FAILED, error.message, self.name)
        except Exception:
            raise
        except BaseException as error:
            if not is_plugin_fault(error):
                raise
            raise DeviceError(f"{DRIVER_ERROR}: aclose(): {describe(error)}", device=self.name) from error

    def require_identity_check(self) -> None:
        """Accept no value before the identity is confirmed: another instrument may be connected now."""
        self.identity.confirmed = False

    def retry_now(self) -> None:
        """Poll in the next slot, even if polling is suspended: the connection is restored."""
        self._breaker.retry_now()

    async def poll(
        self, line: HeldLine[Any, Any] | None, *, shared: Callable[[], bool], steadily: bool = False
    ) -> Sequence[Sample]:
        """Return one sample per channel, in any case.

        Args:
            line: the held line of its port; None for a device without a port.
            shared: whether other devices wait for this one while it does not respond.
            steadily: see ``Device.poll_steadily``.

        Raises:
            ConnectionLostError: the connection is gone.
        """
        if not self._breaker.may_poll(self._now()):
            return self.missing(Status.SKIPPED, SUSPENDED)
        self._responded, self._overdue, self._line_busy = None, 0.0, False
        if self.identity.confirmed or await self._check_identity(line):
            samples = await self._samples(line, steadily=steadily)
        else:
            samples = self._not_recorded()
        self._update_breaker(shared=shared)
        self._note_busy_line(samples)
        return samples

    async def listen(self) -> Sequence[Sample]:
        """Return what a device that sets its own pace sends next.

        Raises:
            ConnectionLostError: the connection is gone.
        """
        self._responded = None
        samples = await self._samples(None, pause=PAUSE_SECONDS)
        if any(sample.value is not None for sample in samples):
            await self._identify_sender()
            self._responded = True
            if not self.identity.confirmed:
                samples = self._not_recorded()
        elif self._responded is False:  # another instrument may be connected after the silence
            self.require_identity_check()
        if self._responded and samples and all(sample.status is Status.MISSING for sample in samples):
            self._note_damaged_frame(samples)
        else:
            self._damaged = 0
            self._update_breaker(shared=lambda: False)
        return samples

    async def settle(self, line: HeldLine[Any, Any] | None) -> None:
        """Make the checks that samples wait for; what fails leaves them unproven."""
        device = self.device
        if self.absence is not None or not self.identity.confirmed:
            return
        settle = device.settle(line) if isinstance(device, PortDevice) else device.settle()
        try:
            await within(poll_seconds(device), settle, "settle()")
        except RiglogError as error:
            log.debug("%s: values not checked at the end: %s", self.name, error)
        except BaseException as error:
            if not is_plugin_fault(error):
                raise
            self._driver_failed(error)

    async def verify_identity(self, line: HeldLine[Any, Any] | None) -> None:
        """Compare the identity between two polls. No reply and a refusal are not another instrument.

        Raises:
            ConnectionLostError: the connection is gone.
        """
        started = self._now()
        try:
            found = await self._read_identity(line)
        except ConnectionLostError:
            raise
        except RiglogError:
            self.identity.note_failure(self._now())
        except BaseException as error:
            if not is_plugin_fault(error):
                self.identity.note_cut(self._now(), self._now() - started)
                raise
            self._driver_failed(error)
            self.identity.note_failure(self._now())
        else:
            self.identity.note_check(self._now(), self._now() - started)
            self._compare(found)

    def missing(self, status: Status, error: str, *, responded: bool | None = None) -> list[Sample]:
        """Return a sample without a value for every channel."""
        return missing(self.channels, error, self._clock, status, responded=responded)

    def absent_samples(self) -> list[Sample]:
        """Return a sample with the reason for every channel of an absent device."""
        assert self.absence is not None
        return self.missing(Status.SKIPPED, f"device absent: {self.absence.reason}", responded=None)

    async def _samples(
        self, line: HeldLine[Any, Any] | None, *, pause: float = 0.0, steadily: bool = False
    ) -> Sequence[Sample]:
        """Poll the device. Whatever fails is a row, and has no effect on other devices.

        Args:
            pause: seconds to wait after a failed poll of a device that sets its own pace, which nobody schedules.
        """
        began = Began.now(self._clock)
        try:
            device, seconds = self.device, poll_seconds(self.device)
            poll = device.poll_steadily if steadily else device.poll
            if line is None or seconds is None:
                polled: object = await within(seconds, poll(), "poll()")
            else:
                polled = await self._time_limit.within(seconds, poll(line), "poll()")  # type: ignore[call-arg]
            return self._checked(polled, began)
        except ConnectionLostError:
            raise
        except OverdueError as error:
            problem = self._note_overdue(error)
        except (ProtocolError, DeviceError) as error:
            self._responded = self._responded or has_responded(error)
            problem = error.message
        except RiglogError as error:
            problem = error.message
        except BaseException as error:
            if not is_plugin_fault(error):
                raise
            self._responded = True
            problem = f"{DRIVER_ERROR}: {describe(error)}"
            self._driver_failed(error)
        await anyio.sleep(pause)
        return self.missing(Status.MISSING, problem, responded=self._responded)

    def _checked(self, polled: object, began: Began) -> Sequence[Sample]:
        """Check what the plugin returned, and drop what the configuration does not select."""
        device = self.device
        checked = check_poll(polled, self._declared, device.pace, self._clock, wanted=device.channels, began=began)
        if checked.problems:
            problems = "; ".join(checked.problems)
            self._report_once(problems, f"{DRIVER_ERROR}: {problems}")
        samples = checked.samples
        if len(self.device.channels) != len(self._declared):
            wanted = set(self.device.channels)
            samples = [sample for sample in samples if sample.channel in wanted]
        for sample in samples:
            if self._responded:
                break
            if sample.responded is not None:
                self._responded = self._is_response(sample)
        return samples

    def _is_response(self, sample: Sample) -> bool:
        """A device without a port has no transactions: its value, or a status that it reports, is its response."""
        if isinstance(self.device, PortDevice):
            return bool(sample.responded)
        return sample.status not in (Status.MISSING, Status.SKIPPED)

    async def _check_identity(self, line: HeldLine[Any, Any] | None) -> bool:
        """Read the set-up and the identity. A mismatch is reported once; no response says nothing about it."""
        device, seconds = self.device, poll_seconds(self.device)
        handed_down = (line,) if isinstance(device, PortDevice) else ()
        try:
            await within(seconds, device.reconnected(*handed_down), "reconnected()")
            started = self._now()
            found = await within(seconds, self._read_identity(line), "identity()")
            self.identity.note_check(self._now(), self._now() - started)
        except ConnectionLostError:
            raise
        except OverdueError as error:
            self._note_overdue(error)
            return False
        except (ProtocolError, DeviceError) as error:
            self._responded = has_responded(error)
            self._line_busy = self._responded is None
            return False
        except RiglogError:
            return False
        except BaseException as error:
            if not is_plugin_fault(error):
                raise
            self._driver_failed(error)
            return False
        # A library may know the serial number without asking the instrument; a reply on a line is proof.
        self._responded = True if found is not None and isinstance(device, PortDevice) else None
        self._compare(found)
        return self.identity.confirmed

    async def _identify_sender(self) -> None:
        """Check who sends, after an interruption, and at intervals if that needs no request."""
        if not self.identity.confirmed:
            await self._check_identity(None)
        elif self.identity.costs_nothing and self.identity.is_due(self._now()):
            await self.verify_identity(None)

    async def _read_identity(self, line: HeldLine[Any, Any] | None) -> str | None:
        """Read the identity; another one than expected twice, as one reply may be late or damaged.

        Raises:
            ProtocolError: the two are neither equal nor the expected one.
        """
        found = await self._read_identity_once(line)
        if not self.identity.is_other(found):
            return found
        again = await self._read_identity_once(line)
        if again is None or (again != found and self.identity.is_other(again)):
            raise MalformedReplyError(IDENTITIES_DIFFER, device=self.name)
        return again

    async def _read_identity_once(self, line: HeldLine[Any, Any] | None) -> str | None:
        return await (self.device.identity(line) if isinstance(self.device, PortDevice) else self.device.identity())

    def _compare(self, found: str | None) -> None:
        if finding := self.identity.compare(found, self._clock.utc_ns()):
            self._report(finding.kind, finding.message, self.name)

    def _not_recorded(self) -> list[Sample]:
        return self.missing(Status.SKIPPED, self.identity.mismatch or NOT_CONFIRMED)

    def _note_overdue(self, error: OverdueError) -> str:
        """Report a call that was cancelled, and return the reason. It counts as no response, and is retried seldom."""
        self._responded, self._overdue = False, error.seconds
        self._report_once(error.message, error.message)
        return error.message

    def _driver_failed(self, error: BaseException) -> None:
        """Report a bug of the plugin, once for each line of code it comes from."""
        where = extract_tb(error.__traceback__)[-1]
        self._report_once((type(error), where.filename, where.lineno), "".join(format_exception(error)))

    def _report_once(self, key: object, message: str) -> None:
        if key not in self._reported_problems and len(self._reported_problems) < MAX_REPORTED_PROBLEMS:
            self._reported_problems.add(key)
            self._report(EventKind.DRIVER_FAILED, message, self.name)

    def _update_breaker(self, *, shared: Callable[[], bool]) -> None:
        if self._responded:
            if self._breaker.record_success() or self._reported_busy:
                self._report(EventKind.DEVICE_RESPONDING, "device responding again", self.name)
            self._reported_busy = False
        elif self._responded is False and self._breaker.record_failure(
            self._now(), shared=shared(), overdue=self._overdue
        ):
            self.require_identity_check()
            listening = self.device.pace is Pace.DEVICE
            if not self._reported_busy:
                self._report(EventKind.DEVICE_NOT_RESPONDING, NOTHING_RECEIVED if listening else SUSPENDED, self.name)

    def _note_busy_line(self, samples: Sequence[Sample]) -> None:
        """Report a line on which nothing can be requested. Polling goes on: the device may be well."""
        busy = self._line_busy or all(sample.status is Status.MISSING for sample in samples)
        if self._responded is not None or not busy or not isinstance(self.device, PortDevice):
            self._polls_without_request = 0
            return
        self._polls_without_request += 1
        if self._polls_without_request == THRESHOLD and not self._reported_busy and not self._breaker.open:
            self._reported_busy = True
            reason = samples[0].error if samples else NOT_CONFIRMED
            self._report(EventKind.DEVICE_NOT_RESPONDING, f"device not responding: {reason}", self.name)

    def _note_damaged_frame(self, samples: Sequence[Sample]) -> None:
        """Report a line on which nothing but damaged frames arrives, as from a port that is flooded."""
        self._damaged += 1
        if self._damaged == MOST_DAMAGED and not self._reported_busy and not self._breaker.open:
            self._reported_busy = True
            self._report(EventKind.DEVICE_NOT_RESPONDING, f"device not responding: {samples[0].error}", self.name)

    def _now(self) -> float:
        return self._clock.monotonic_ns() / NS


def poll_error(device: str, samples: Sequence[Sample]) -> RiglogError | None:
    """Return why a poll gave no value at all; None if it gave one, or the device has no channels."""
    if not samples or any(sample.value is not None for sample in samples):
        return None
    first = samples[0]
    message = first.error or f"no value (status {first.status.value})"
    if any(sample.responded for sample in samples):
        return DeviceError(message, device=device, address=first.address)
    return ReplyTimeoutError(message, device=device, address=first.address)


def selected(channels: Iterable[Channel], parameters: Sequence[str], device: str) -> tuple[Channel, ...]:
    """Return the channels that ``parameters`` name (``level`` or ``level[2]``), in their order; empty: all.

    Raises:
        ConfigError: no channel has a name.
    """
    declared = tuple(channels)
    if not parameters:
        return declared
    names = {channel: (channel.parameter, f"{channel.parameter}[{channel.instance}]") for channel in declared}
    known = {name for own in names.values() for name in own}
    if unknown := [parameter for parameter in parameters if parameter not in known]:
        available = ", ".join(dict.fromkeys(channel.parameter for channel in declared))
        suggestions = "".join(did_you_mean(parameter, sorted(known)) for parameter in unknown)
        shown = ", ".join(map(repr, unknown))
        raise ConfigError(
            f"parameters: unknown parameter {shown}", hint=f"{suggestions}Available: {available}", device=device
        )
    return tuple(channel for channel, own in names.items() if any(name in parameters for name in own))
