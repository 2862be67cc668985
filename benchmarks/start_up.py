"""Wall time to start: ``import riglog`` over bare Python, and the commands that open nothing."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

RUNS = 11
CASES: dict[str, Sequence[str]] = {
    "import riglog": ("-c", "import riglog"),
    "from riglog import Manager, record, pipe": ("-c", "from riglog import Manager, record, pipe"),
    "riglog --help": ("-m", "riglog", "--help"),
    "riglog plugins": ("-m", "riglog", "plugins"),
}


def wall(arguments: Sequence[str]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1e3


def main() -> None:
    bare = ("-c", "")
    runs: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(RUNS):
        for name, arguments in CASES.items():
            runs[name].append(wall(arguments) - wall(bare))  # in pairs: the machine's mood is in both
    for name, times in runs.items():
        print(f"{name:45} {statistics.median(times):5.0f} ms over bare Python")  # noqa: T201


if __name__ == "__main__":
    main()
