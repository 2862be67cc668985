"""Simulated rig-years: the whole program in virtual time, with faults of all kinds drawn from one seed, and judged.

python benchmarks/rig_years.py --years 0.1                # on both event loops, seeds 0, 1, 2 ...
python benchmarks/rig_years.py --seed 17 --lives 1        # one life again, exactly
python benchmarks/rig_years.py --mutants                  # seeds until each fault that is put back is found
python benchmarks/rig_years.py --minutes 10 --slots 60    # as many lives as fit
"""
# ruff: noqa: T201

import argparse
import json
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from rig_years import KINDS, Life, live
from rig_years.life import BACKENDS, YEAR_SECONDS
from rig_years.mutants import MUTANTS, Mutant
from rig_years.plan import draw_plan

MOST_SEEDS = 25
"""A mutant that is not found in so many lives (``--lives``) is reported as not found."""


def main() -> int:
    options = parsed()
    logging.getLogger("riglog").addHandler(logging.NullHandler())
    kinds = tuple(options.kinds)
    if options.mutants is not None:
        return hunt(options)
    began = time.perf_counter()
    years, lives, found, injected, statuses = 0.0, 0, 0, Counter[str](), Counter[str]()
    with multiprocessing.Pool(options.jobs) as pool:
        for life in pool.imap_unordered(partial(one_life, options, kinds), numbers(options)):
            lives += 1
            years += life.rig_seconds / YEAR_SECONDS
            injected += life.injected
            statuses += life.statuses
            found += bool(life.findings)
            if life.findings or options.verbose:
                print(life.report(), life.digest, flush=True)
            if enough(options, lives, years, time.perf_counter() - began):
                break
        pool.terminate()
    seconds = time.perf_counter() - began
    print(f"{years:.4f} simulated rig-years ({years * 365.25:.1f} days), {lives} lives from seed {options.seed}")
    print(f"{sum(statuses.values())} rows: {json.dumps(dict(statuses.most_common()))}")
    print(f"injected: {json.dumps(dict(injected.most_common()))}")
    print(f"lives with findings: {found}; {seconds:.0f} s on {options.jobs} processes")
    return 1 if found else 0


def enough(options: argparse.Namespace, lives: int, years: float, seconds: float) -> bool:
    """Return True once everything that was asked for has been lived."""
    if options.lives:
        return lives >= int(options.lives)
    if options.minutes:
        return seconds >= 60.0 * float(options.minutes)
    return years >= float(options.years)


def numbers(options: argparse.Namespace) -> Iterator[tuple[int, str]]:
    """Return seeds, each with the event loop it is lived on."""
    for seed in range(options.seed, options.seed + options.lives) if options.lives else count(options.seed):
        yield seed, options.backend or BACKENDS[seed % 2]


def one_life(options: argparse.Namespace, kinds: tuple[str, ...], number: tuple[int, str]) -> Life:
    seed, backend = number
    return live(seed, backend=backend, kinds=kinds, slots=options.slots)


def hunt(options: argparse.Namespace) -> int:
    """Report for each mutant after how many seeds it is found; only what can show it disturbs its lives."""
    chosen = [mutant.name for mutant in MUTANTS if mutant.name in (options.mutants or [each.name for each in MUTANTS])]
    lost = 0
    print("| fault put back | point | found by | seeds |\n|---|---|---|--:|")
    with multiprocessing.Pool(options.jobs) as pool:
        for name, seeds, oracles in pool.imap(partial(until_found, options), chosen):
            lost += seeds is None
            found = mutant_of(name)
            print(
                f"| {found.sentence} | {found.point} | {oracles} | {seeds or f'not in {most_seeds(options)}'} |",
                flush=True,
            )
    return 1 if lost else 0


def mutant_of(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def most_seeds(options: argparse.Namespace) -> int:
    return options.lives or MOST_SEEDS


def until_found(options: argparse.Namespace, name: str) -> tuple[str, int | None, str]:
    """Live until a life with the mutant has findings, and the same life without it has none."""
    mutant = mutant_of(name)
    for tried in range(most_seeds(options)):
        seed, backend = options.seed + tried, options.backend or BACKENDS[(options.seed + tried) % 2]
        drawn = {"kinds": mutant.kinds, "slots": options.slots, "focus": mutant.focus}
        if not mutant.can_show(draw_plan(seed, **drawn)):
            continue
        with mutant.alive():
            findings = live(seed, backend=backend, **drawn).findings
        if findings and not live(seed, backend=backend, **drawn).findings:
            return name, tried + 1, ", ".join(dict.fromkeys(each.oracle for each in findings))
    return name, None, "-"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=float, default=0.01, help="simulated rig-years to live")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--lives", type=int, help="so many lives instead of --years")
    parser.add_argument("--slots", type=int, default=360, help="slots of one life")
    parser.add_argument("--backend", choices=BACKENDS, help="one event loop; default: both in turn")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, help="so many minutes instead of --years")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="only these kinds")
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="put faults back: when are they found?")
    parser.add_argument("--verbose", action="store_true", help="one line for each life")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
