"""A device on a port: whether it may be polled now, whether it is still the same instrument, and what its poll gave."""

from collections.abc import Callable
from traceback import extract_tb, format_exception

import anyio

from riglog.device import Device, missing
from riglog.errors import ConnectionLostError, RiglogError
from riglog.manager.breaker import Breaker
from riglog.model import NS, Clock, EventKind, Sample, Status
from riglog.plugin import Client

Tell = Callable[[EventKind, str, str | None], None]
PAUSE_SECONDS = 0.5


class ManagedDevice:
    """One device of a rig and how it has been doing. Told events go out once per change of state."""

    def __init__(
        self, device: Device, client: Client | None, address: int | str | None, tell: Tell, clock: Clock
    ) -> None:
        self.device = device
        self.client = client
        self.address = address
        self.identity: str | None = None
        self._tell = tell
        self._clock = clock
        self._breaker = Breaker()
        self._verified = True
        self._stranger: str | None = None
        self._bugs: set[tuple[object, ...]] = set()

    @property
    def name(self) -> str:
        return self.device.name

    async def open(self) -> None:
        """Get to know the instrument; what it is now is what it has to be later."""
        await self.device.open()
        self.identity = await self.device.identity()

    @property
    def silent(self) -> bool:
        """It is only asked now and then."""
        return self._breaker.open

    def probe_now(self) -> None:
        """The line is back: ask at the next slot, however silent it was before."""
        self._breaker.probe_now()

    def doubt(self) -> None:
        """The line was interrupted: whoever answers next may be another instrument."""
        self._verified = False

    async def poll(self, *, shared: bool) -> list[Sample]:
        """One sample per channel, whatever happens.

        Raises:
            ConnectionLostError: the port is gone.
        """
        now = self._clock.monotonic_ns() / NS
        if not self._breaker.may_poll(now):
            return self.absent(Status.SKIPPED, "device is silent; it is asked again now and then")
        asked, answered = self._traffic()
        if self._verified or await self._is_the_same():
            samples = await self._samples()
        else:
            samples = self.absent(Status.SKIPPED, self._stranger or "device did not say who it is")
        asked_now, answered_now = self._traffic()
        if asked_now > asked:
            self._judge(answered_now > answered, shared)
        return samples

    async def listen(self) -> list[Sample]:
        """What the instrument says next of itself.

        Raises:
            ConnectionLostError: the port is gone.
        """
        samples = await self._samples(pause=PAUSE_SECONDS)
        heard = any(sample.value is not None for sample in samples)
        if self._verified or not heard or await self._is_the_same():  # who it is, is known from what it says
            return samples
        return self.absent(Status.SKIPPED, self._stranger or "device did not say who it is")

    def absent(self, status: Status, error: str) -> list[Sample]:
        """A sample without a value for every channel."""
        return missing(self.device.channels, error, self._clock, status)

    async def _samples(self, *, pause: float = 0.0) -> list[Sample]:
        """What the device's poll gives. Whatever goes wrong in it is a row, and costs nobody else anything.

        Args:
            pause: seconds after a poll that failed; nobody schedules the next one of a device that sets its own pace.
        """
        try:
            return await self.device.poll()
        except ConnectionLostError:
            raise
        except RiglogError as error:
            problem = str(error)
        except Exception as error:
            problem = f"the driver failed: {type(error).__name__}: {error}"
            self._driver_failed(error)
        await anyio.sleep(pause)
        return self.absent(Status.MISSING, problem)

    async def _is_the_same(self) -> bool:
        """Ask the instrument who it is. A stranger is told once; silence says nothing about who it is."""
        try:
            found = await self.device.identity()
        except ConnectionLostError:
            raise
        except RiglogError:
            return False
        except Exception as error:
            self._driver_failed(error)
            return False
        self._verified = found is None or self.identity is None or found == self.identity
        stranger = None if self._verified else f"expected {self.identity}, found {found}; its values are not recorded"
        if stranger is not None and stranger != self._stranger:
            self._tell(EventKind.WRONG_INSTRUMENT, stranger, self.name)
        self._stranger = stranger
        return self._verified

    def _driver_failed(self, error: Exception) -> None:
        """Tell of a bug, once for each line of code it comes from."""
        where = extract_tb(error.__traceback__)[-1]
        bug = (type(error), where.filename, where.lineno)
        if bug not in self._bugs:
            self._bugs.add(bug)
            self._tell(EventKind.DRIVER_FAILED, "".join(format_exception(error)), self.name)

    def _traffic(self) -> tuple[int, int]:
        """Requests and replies on the line so far."""
        if self.client is None:
            return 0, 0
        return self.client.counters.requests, self.client.counters.replies

    def _judge(self, answered: bool, shared: bool) -> None:
        if answered:
            if self._breaker.answered():
                self._tell(EventKind.DEVICE_RESPONDING, "device answers again", self.name)
        elif self._breaker.silent(self._clock.monotonic_ns() / NS, shared=shared):
            self.doubt()
            self._tell(
                EventKind.DEVICE_NOT_RESPONDING, "device does not answer; it is asked again now and then", self.name
            )
