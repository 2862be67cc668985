"""Simulated rig-days on both event loops: the whole program, disturbed by all that a seed draws, and never wrong.

The long run is ``python benchmarks/rig_years.py``.
"""

import pytest
from rig_years import KINDS, live
from rig_years.mutants import MUTANTS
from rig_years.plan import draw_plan

pytestmark = pytest.mark.slow

CHEAP_MUTANTS = ("values-repeated", "identity-not-checked", "rows-one-slot-late", "no-reason", "frame-used-twice")
MUTANT_SEEDS = range(10, 16)


@pytest.mark.parametrize("seed", range(10, 16))
def test_a_rig_that_is_disturbed_by_everything_records_nothing_wrong(seed: int) -> None:
    life = live(seed, backend=("asyncio", "trio")[seed % 2], slots=60)
    assert not life.findings, life.report()
    assert life.statuses["ok"] > 0.5 * life.rows > 50


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_seed_is_one_life(backend: str) -> None:
    first, second = (live(5, backend=backend, slots=40) for _ in range(2))
    assert first.digest == second.digest
    assert first.injected == second.injected
    assert live(6, backend=backend, slots=40).digest != first.digest


def test_every_kind_of_disturbance_is_drawn() -> None:
    plans = [draw_plan(seed) for seed in range(60)]
    drawn = {found.kind for plan in plans for found in plan.disturbances}
    drawn |= {fault for plan in plans for found in plan.disturbances for fault in found.rates}
    drawn |= {session.ending for plan in plans for session in plan.sessions}
    drawn |= {"clock-back" for plan in plans for session in plan.sessions if session.utc_step}
    assert drawn - {"wire"} == set(KINDS)


@pytest.mark.parametrize("name", CHEAP_MUTANTS)
def test_a_fault_that_is_put_back_is_found(name: str) -> None:
    mutant = next(each for each in MUTANTS if each.name == name)
    with mutant.alive():
        found = any(live(seed, kinds=mutant.kinds, slots=60, focus=mutant.focus).findings for seed in MUTANT_SEEDS)
    assert found, f"{mutant.name}: {mutant.sentence}"
