"""One life of a rig: lived on one event loop, then judged."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import anyio
from msgspec import Struct

from rig_years.oracles import Finding, Judge, digest
from rig_years.plan import ANYTHING, KINDS, Focus, Plan, draw_plan
from rig_years.world import World
from riglog.testing import virtual_backend

BACKENDS = ("asyncio", "trio")
YEAR_SECONDS = 365.25 * 86_400


class Life(Struct, frozen=True):
    """What came of one life.

    Attributes:
        rig_seconds: simulated seconds in which the rig existed.
        injected: how often each kind of disturbance happened.
        digest: equal for equal lives.
    """

    seed: int
    backend: str
    slots: int
    kinds: Sequence[str]
    plan: Plan
    rig_seconds: float
    rows: int
    statuses: Counter[str]
    injected: Counter[str]
    findings: list[Finding]
    digest: str

    def report(self) -> str:
        """Return what was found, and how to see it again."""
        options = f"--seed {self.seed} --lives 1 --slots {self.slots} --backend {self.backend}"
        kinds = "" if self.kinds == KINDS else f" --kinds {' '.join(self.kinds)}"
        again = f"python benchmarks/rig_years.py {options}{kinds}"
        return "\n".join(
            [f"seed {self.seed} on {self.backend} ({again})", *(f"  {f.oracle}: {f.text}" for f in self.findings)]
        )


def live(
    seed: int, *, backend: str = "asyncio", kinds: Sequence[str] = KINDS, slots: int = 360, focus: Focus = ANYTHING
) -> Life:
    """Live one life, and judge it."""
    plan = draw_plan(seed, kinds=kinds, slots=slots, focus=focus)
    name, options = virtual_backend(backend)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        world = World(plan, Path(folder))
        with _deterministic(seed, backend):
            anyio.run(world.run, backend=name, backend_options=options)
        judge = Judge(world)
        findings = judge.judge()
        injected = world.injected + sum((port.wire.injected for port in world.ports.values()), Counter())
        return Life(
            seed,
            backend,
            slots,
            tuple(kinds),
            plan,
            plan.seconds,
            len(judge.rows),
            Counter(row.status for row in judge.rows),
            injected,
            findings,
            digest(world, judge.rows),
        )


@contextmanager
def _deterministic(seed: int, backend: str) -> Iterator[None]:
    """Trio chooses the order of its tasks at random: from the seed."""
    if backend != "trio":
        yield
        return
    import random

    import trio._core._run as run

    with (
        mock.patch.object(run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        mock.patch.object(run, "_r", random.Random(seed)),
    ):
        yield


def _memory() -> str | None:
    """Return a folder in memory, where there is one: nothing here has to survive a power cut."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
