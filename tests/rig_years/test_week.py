"""A week that 16 devices are left alone, in a short form. The long run is ``python benchmarks/week.py``."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow


def benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_everything_that_was_due_is_recorded_once_and_a_row_that_is_not_is_found(tmp_path: Path, backend: str) -> None:
    week = benchmark("week")
    lived, judge = week.live(seed=3, days=0.008, period=20.0, backend=backend, folder=tmp_path)
    assert judge.problems == []
    kinds = {found.kind for found in lived.plan.disturbances}
    assert {"flood", "cable", "off", "wire"} <= kinds
    assert len(lived.logs) == 2
    assert lived.logs[0].crashed
    assert not any(
        log.outcome for log in lived.logs
    )  # or a week would keep fifteen summaries, and judge its own memory
    lines = (tmp_path / "rig.csv").read_text().splitlines(keepends=True)
    lines.remove(next(line for line in lines if ",oven-1," in line))
    (tmp_path / "rig.csv").write_text("".join(lines))
    assert any("without a row" in problem for problem in week.Judge(lived).problems)
