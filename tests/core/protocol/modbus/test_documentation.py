"""The page for plugin authors says what there is, and its example runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "modbus.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "printed"), [(0, "[215, 216] True\n"), (1, "100 5 15\n78.295875549316")])
def test_the_examples_run(number: int, printed: str) -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[number]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(printed)


def test_every_name_of_the_package_that_plugins_use_is_on_the_page() -> None:
    from riglog.protocol import modbus

    internal = {"Framing", "ModbusCodec", "ModbusRequest", "framing_of"}
    assert {name for name in modbus.__all__ if name not in PAGE} <= internal
