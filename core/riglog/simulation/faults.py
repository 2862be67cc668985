"""What goes wrong on a line, done to a simulator on purpose."""

import random
from collections.abc import Iterable, Mapping
from enum import StrEnum

from riglog.errors import ConfigError
from riglog.simulation.peer import Arrivals, SimulatedPeer
from riglog.simulation.simulator import Simulator


class Fault(StrEnum):
    DROP = "drop"  # the reply never comes
    CORRUPT = "corrupt"  # one bit of it is wrong
    TRUNCATE = "truncate"  # its end is missing
    LATE = "late"  # it comes after whoever asked has given up
    GARBAGE = "garbage"  # noise comes before it
    GLUE = "glue"  # the previous reply comes again, glued in front of it
    FOREIGN = "foreign"  # another instrument answers
    SPLIT = "split"  # it comes in two pieces
    UNPLUG = "unplug"  # the instrument is off from now on


class FaultyWire(SimulatedPeer):
    """Turns a simulator's replies into timed pieces of bytes, damaging some of them.

    No I/O and no clock. ``send`` takes what the host says, ``take`` gives what is due by now.
    Faults come at random with ``rates``, or exactly where ``script`` (one entry a reply, None = sound) says so.
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
        """The host said ``data``."""
        if not self.plugged:
            return
        reply = self.simulator.receive(data, now)
        if reply:
            self._arriving.add(self._damaged(reply, now + self.simulator.latency, self._next_fault()))
            self._previous = reply

    def take(self, now: float) -> bytes:
        """What has reached the host by now; each byte once."""
        if self.plugged and (said := self.simulator.idle(now)):
            self._arriving.add(self._damaged(said, now, self._next_fault()))
            self._previous = said
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        """When ``take`` has something next; None if not without a request."""
        of_itself = self.simulator.next_due(now) if self.plugged else None
        times = [due for due in (self._arriving.next_due(), of_itself) if due is not None]
        return min(times, default=None)

    def _next_fault(self) -> Fault | None:
        scripted = next(self._script, None)
        if scripted is not None or not self._rates:
            return scripted
        return next((fault for fault, rate in self._rates.items() if self._random.random() < rate), None)

    def _damaged(self, reply: bytes, due: float, fault: Fault | None) -> list[tuple[float, bytes]]:
        dice = self._random
        match fault:
            case None:
                return [(due, reply)]
            case Fault.DROP:
                return []
            case Fault.UNPLUG:
                self.plugged = False
                return []
            case Fault.CORRUPT:
                where, bit = dice.randrange(len(reply)), 1 << dice.randrange(8)
                return [(due, reply[:where] + bytes([reply[where] ^ bit]) + reply[where + 1 :])]
            case Fault.TRUNCATE:
                return [(due, reply[: dice.randrange(len(reply))])]
            case Fault.LATE:
                return [(due + self.late, reply)]
            case Fault.GARBAGE:
                return [(due, dice.randbytes(dice.randint(1, 12)) + reply)]
            case Fault.GLUE:
                return [(due, self._previous + reply)]
            case Fault.FOREIGN:
                return [(due, self.simulator.foreign(reply))]
            case Fault.SPLIT:
                cut = dice.randrange(len(reply))
                return [(due, reply[:cut]), (due + 0.005, reply[cut:])]


def parse_faults(texts: Iterable[str]) -> dict[Fault, float]:
    """``drop=0.05`` and the like, as the command line has them.

    Raises:
        ConfigError: unknown fault, or a rate that is no number from 0 to 1.
    """
    rates: dict[Fault, float] = {}
    for text in texts:
        kind, _, rate = text.partition("=")
        try:
            rates[Fault(kind)] = float(rate)
        except ValueError:
            hint = f"kinds: {', '.join(Fault)}; rate 0 to 1"
            raise ConfigError(f"fault {text!r} is not KIND=RATE", hint=hint) from None
        if not 0 <= rates[Fault(kind)] <= 1:
            raise ConfigError(f"fault rate of {text!r} is not from 0 to 1")
    return rates
