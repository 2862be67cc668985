"""The validation pack: each requirement names tests that exist, and the pack states what they have shown."""

import ast
import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
XML = """<testsuites><testsuite>
<testcase classname="tests.a.test_a" name="test_one[desk-asyncio]"/>
<testcase classname="tests.a.test_a" name="test_one[card-asyncio]">{one}</testcase>
<testcase classname="tests.a.test_b" name="test_two@programs">{two}</testcase>
</testsuite></testsuites>"""
PAGE = """
## R1: First <b>

Helps with: A

- tests/a/test_a.py::test_one

## R2: Second

Helps with: B

- tests/a/test_a.py::test_one
- tests/a/test_b.py::test_two
"""


@pytest.fixture(scope="module")
def validation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("validation", ROOT / ".ci" / "validation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_names_tests_that_exist(validation: ModuleType) -> None:
    text = validation.PAGE.read_text(encoding="utf-8")
    found = validation.requirements(text)
    assert [each["id"] for each in found] == [f"R{number}" for number in range(1, text.count("\n## ") + 1)]
    for each in found:
        for test in each["tests"]:
            path, _, name = test.partition("::")
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
            assert name in defined, test


@pytest.mark.parametrize(
    ("one", "two", "states"),
    [
        ("", "", ["passed", "passed"]),
        ("<failure/>", "", ["failed", "failed"]),
        ("", "<error/>", ["passed", "failed"]),
        ("", "<skipped/>", ["passed", "not tested"]),
    ],
)
def test_the_pack_states_the_result_of_each_requirement(
    validation: ModuleType, one: str, two: str, states: list[str], tmp_path: Path
) -> None:
    (tmp_path / "results.xml").write_text(XML.format(one=one, two=two))
    out = tmp_path / "pack"
    pack = validation.write(tmp_path / "results.xml", out, PAGE)
    assert [each["result"] for each in pack["requirements"]] == states
    stored: dict[str, Any] = json.loads((out / "validation.json").read_text())
    assert stored == pack
    assert stored["versions"]["packages"]["pytest"] == pytest.__version__
    page = (out / "validation.html").read_text()
    assert "First &lt;b&gt;" in page
    assert "complian" not in page.lower()
    sums = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in sums}
    assert set(sums) == {"validation.html", "validation.json", "results.xml"}


def test_a_test_that_was_not_run_covers_nothing(validation: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "results.xml").write_text("<testsuites/>")
    pack = validation.write(tmp_path / "results.xml", tmp_path, PAGE)
    assert [each["result"] for each in pack["requirements"]] == ["not tested", "not tested"]
    assert pack["requirements"][0]["tests"] == {"tests/a/test_a.py::test_one": {"result": "not run", "runs": 0}}
