"""Simulated rig-years: the whole program in virtual time, with faults of all kinds drawn from one seed, and judged.

python benchmarks/rig_years.py --years 0.1                # on both event loops, seeds 0, 1, 2 ...
python benchmarks/rig_years.py --seed 17 --lives 1        # one life again, exactly
python benchmarks/rig_years.py --mutants                  # seeds until each fault that is put back is found
python benchmarks/rig_years.py --years 0.1 --all          # also the kinds that are not survived yet
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

from rig_years import ENABLED, KINDS, Life, live
from rig_years.life import BACKENDS, YEAR_SECONDS
from rig_years.mutants import MUTANTS, Mutant

MOST_SEEDS = 12
"""A mutant that is not found in so many lives is reported as not found."""


def main() -> int:
    options = parsed()
    logging.getLogger("riglog").addHandler(logging.NullHandler())
    kinds = options.kinds or (KINDS if options.all else ENABLED)
    if options.mutants is not None:
        return hunt(options, kinds)
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
            if lives == options.lives or (options.lives is None and years >= options.years):
                break
        pool.terminate()
    seconds = time.perf_counter() - began
    print(f"{years:.4f} simulated rig-years ({years * 365.25:.1f} days), {lives} lives from seed {options.seed}")
    print(f"{sum(statuses.values())} rows: {json.dumps(dict(statuses.most_common()))}")
    print(f"injected: {json.dumps(dict(injected.most_common()))}")
    print(f"lives with findings: {found}; {seconds:.0f} s on {options.jobs} processes")
    return 1 if found else 0


def numbers(options: argparse.Namespace) -> Iterator[tuple[int, str]]:
    """Return seeds, each with the event loop it is lived on."""
    for seed in range(options.seed, options.seed + options.lives) if options.lives else count(options.seed):
        yield seed, options.backend or BACKENDS[seed % 2]


def one_life(options: argparse.Namespace, kinds: tuple[str, ...], number: tuple[int, str]) -> Life:
    seed, backend = number
    return live(seed, backend=backend, kinds=kinds, slots=options.slots)


def hunt(options: argparse.Namespace, kinds: tuple[str, ...]) -> int:
    """Report for each mutant after how many seeds it is found."""
    chosen = [mutant for mutant in MUTANTS if not options.mutants or mutant.name in options.mutants]
    lost = 0
    print("| fault put back | point | seeds until found | by |\n|---|---|--:|---|")
    with multiprocessing.Pool(options.jobs) as pool:
        for mutant, seeds, oracle in pool.imap_unordered(partial(until_found, options, kinds), range(len(MUTANTS))):
            if mutant in [each.name for each in chosen]:
                lost += seeds is None
                each = next(each for each in MUTANTS if each.name == mutant)
                print(f"| {each.name}: {each.sentence} | {each.point} | {seeds or '-'} | {oracle} |", flush=True)
    return 1 if lost else 0


def until_found(options: argparse.Namespace, kinds: tuple[str, ...], index: int) -> tuple[str, int | None, str]:
    mutant: Mutant = MUTANTS[index]
    if options.mutants and mutant.name not in options.mutants:
        return mutant.name, None, ""
    for tried in range(MOST_SEEDS):
        seed, backend = options.seed + tried, options.backend or BACKENDS[(options.seed + tried) % 2]
        with mutant.alive():
            life = live(seed, backend=backend, kinds=kinds, slots=options.slots)
        found = life.findings and not live(seed, backend=backend, kinds=kinds, slots=options.slots).findings
        if found:  # and not without the mutant
            return mutant.name, tried + 1, ", ".join(dict.fromkeys(each.oracle for each in life.findings))
    return mutant.name, None, "not found"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=float, default=0.01, help="simulated rig-years to live")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--lives", type=int, help="so many lives instead of --years")
    parser.add_argument("--slots", type=int, default=360, help="slots of one life")
    parser.add_argument("--backend", choices=BACKENDS, help="one event loop; default: both in turn")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--all", action="store_true", help="also the kinds of disturbances that are not survived yet")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, help="only these kinds")
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="put faults back, and report when they are found")
    parser.add_argument("--verbose", action="store_true", help="one line for each life")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
