"""Fault injection: damages the replies of a simulator as a real line does."""

import random
from collections.abc import Iterable, Mapping
from enum import StrEnum

from riglog.errors import ConfigError
from riglog.simulation.peer import Arrivals, SimulatedPeer
from riglog.simulation.simulator import Simulator


class Fault(StrEnum):
    """A defect of one reply. The values are the words of ``riglog simulate --fault``."""

    DROP = "drop"  # no reply
    CORRUPT = "corrupt"  # one bit is inverted
    TRUNCATE = "truncate"  # the end is missing
    LATE = "late"  # the reply arrives after the timeout of the host
    GARBAGE = "garbage"  # random bytes before the reply
    GLUE = "glue"  # the previous reply is repeated directly before this one
    FOREIGN = "foreign"  # the reply of another instrument
    SPLIT = "split"  # the reply arrives in two pieces
    UNPLUG = "unplug"  # the instrument is switched off from now on


class FaultyWire(SimulatedPeer):
    """A simulator behind a line with faults: delays its replies by the latency and damages some of them.

    No I/O and no clock.

    Args:
        rates: probability of each fault per reply, 0 to 1.
        script: the fault of each reply in turn; None, and after its end: as ``rates`` decide.
        seed: of the random numbers, for repeatable faults.
        late: delay of a late reply in seconds.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        rates: Mapping[Fault, float] | None = None,
        script: Iterable[Fault | None] = (),
        seed: int | None = None,
        late: float = 1.0,
    ) -> None:
        self.simulator = simulator
        self.late = late
        self.plugged = True
        self._rates = dict(rates or {})
        self._script = iter(script)
        self._random = random.Random(seed)
        self._arriving = Arrivals()
        self._previous = b""

    def set_rates(self, rates: Mapping[Fault, float]) -> None:
        """Inject these faults at random from now on; the rates are fractions of the replies, 0 to 1."""
        self._rates = dict(rates)

    def send(self, data: bytes, now: float) -> None:
        if not self.plugged:
            return
        reply = self.simulator.receive(data, now)
        if reply:
            self._arriving.add(self._damaged(reply, now + self.simulator.latency, self._next_fault()))
            self._previous = reply

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        self.simulator.note_port(baudrate, parity)

    def take(self, now: float) -> bytes:
        if self.plugged and (unsolicited := self.simulator.idle(now)):
            self._arriving.add(self._damaged(unsolicited, now, self._next_fault()))
            self._previous = unsolicited
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        unsolicited = self.simulator.next_due(now) if self.plugged else None
        times = [due for due in (self._arriving.next_due(), unsolicited) if due is not None]
        return min(times, default=None)

    def _next_fault(self) -> Fault | None:
        scripted = next(self._script, None)
        if scripted is not None or not self._rates:
            return scripted
        return next((fault for fault, rate in self._rates.items() if self._random.random() < rate), None)

    def _damaged(self, reply: bytes, due: float, fault: Fault | None) -> list[tuple[float, bytes]]:
        """Return the pieces of a reply with their times of arrival."""
        rng = self._random
        match fault:
            case None:
                return [(due, reply)]
            case Fault.DROP:
                return []
            case Fault.UNPLUG:
                self.plugged = False
                return []
            case Fault.CORRUPT:
                where, bit = rng.randrange(len(reply)), 1 << rng.randrange(8)
                return [(due, reply[:where] + bytes([reply[where] ^ bit]) + reply[where + 1 :])]
            case Fault.TRUNCATE:
                return [(due, reply[: rng.randrange(len(reply))])]
            case Fault.LATE:
                return [(due + self.late, reply)]
            case Fault.GARBAGE:
                return [(due, rng.randbytes(rng.randint(1, 12)) + reply)]
            case Fault.GLUE:
                return [(due, self._previous + reply)]
            case Fault.FOREIGN:
                return [(due, self.simulator.foreign(reply))]
            case Fault.SPLIT:
                cut = rng.randrange(len(reply))
                return [(due, reply[:cut]), (due + 0.005, reply[cut:])]


def parse_faults(texts: Iterable[str]) -> dict[Fault, float]:
    """Return the rates of faults given as on the command line: ``drop=0.05``.

    Raises:
        ConfigError: an unknown fault, or a rate that is not a number from 0 to 1.
    """
    rates: dict[Fault, float] = {}
    for text in texts:
        kind, _, rate = text.partition("=")
        try:
            rates[Fault(kind)] = float(rate)
        except ValueError:
            hint = f"Faults: {', '.join(Fault)}; the rate is a number from 0 to 1"
            raise ConfigError(f"--fault: invalid value {text!r}; expected KIND=RATE", hint=hint) from None
        if not 0 <= rates[Fault(kind)] <= 1:
            raise ConfigError(f"--fault: rate of {text!r} is outside 0 to 1")
    return rates
