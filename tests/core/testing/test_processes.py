"""Programs beside a test: killed with the block, and by the kernel where there was no time for it."""

import subprocess
import sys
from pathlib import Path

import processes
import pytest
from processes import running

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]


def test_a_program_ends_with_its_block_also_if_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), running(SLEEPER, stdout=subprocess.PIPE) as process:
        raise ZeroDivisionError
    assert process.returncode is not None


@pytest.mark.real_time
@pytest.mark.skipif(not processes.WITH_US, reason="needs setpriv, of util-linux")
def test_a_program_ends_with_tests_that_are_killed() -> None:
    """Its end of the pipe is closed by its end: nothing else holds it."""
    tests = (
        f"import sys; sys.path.insert(0, {str(Path(processes.__file__).parent)!r}); import processes, time\n"
        f"with processes.running({SLEEPER!r}): time.sleep(60)"
    )
    with running([sys.executable, "-c", tests], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        killed.kill()
        assert killed.stdout.read() == ""
