"""Writes the validation pack: requirements, the tests that cover them, their results, and versions.

python .ci/validation.py RESULTS.xml --out FOLDER

RESULTS.xml is what ``pytest --junitxml`` has written. The requirements are those of docs/reference/requirements.md.
Exit code 1: a requirement has not passed.
"""

import argparse
import hashlib
import html
import json
import platform
import re
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "requirements.md"
REQUIREMENT = re.compile(r"^## (R\d+): (.+)\n\nHelps with: (.+)\n\n((?:- .+\n)+)", re.MULTILINE)
STATEMENT = (
    "Each requirement names the rules that it helps with. Whether a rule is fulfilled is decided by the laboratory,"
    " with its own procedures."
)


def requirements(page: str) -> list[dict[str, Any]]:
    """Return the requirements of the page, each with its tests."""
    return [
        {"id": id, "text": text, "helps_with": helps, "tests": [line[2:].strip() for line in tests.splitlines()]}
        for id, text, helps, tests in REQUIREMENT.findall(page + "\n")
    ]


def results(path: Path) -> dict[str, list[str]]:
    """Return the states of each test, without its parameters: ``passed``, ``failed`` or ``skipped``."""
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        state = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        name = case.get("name", "").partition("[")[0].partition("@")[0]
        found.setdefault(f"{case.get('classname')}::{name}", []).append(state)
    return found


def judged(wanted: list[dict[str, Any]], found: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return the requirements with the result of each of their tests."""
    for requirement in wanted:
        tests = {}
        for test in requirement["tests"]:
            path, _, name = test.partition("::")
            states = found.get(f"{path.removesuffix('.py').replace('/', '.')}::{name}", [])
            worst = [state for state in ("failed", "skipped", "passed") if state in states]
            tests[test] = {"result": worst[0] if worst else "not run", "runs": len(states)}
        states = [test["result"] for test in tests.values()]
        requirement["tests"] = tests
        requirement["result"] = (
            "failed" if "failed" in states else "passed" if set(states) == {"passed"} else "not tested"
        )
    return wanted


def versions() -> dict[str, Any]:
    """Return what the tests were run with."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip() or None,
        "python": platform.python_version(),
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {each.name: each.version for each in sorted(distributions(), key=lambda each: each.name.lower())},
    }


def page(pack: dict[str, Any]) -> str:
    """Return the pack as one page that loads nothing."""
    rows = []
    for each in pack["requirements"]:
        tests = "<br>".join(f"{html.escape(name)}: {found['result']}" for name, found in each["tests"].items())
        cells = [each["id"], each["text"], each["helps_with"], each["result"]]
        rows.append("".join(f"<td>{html.escape(cell)}" for cell in cells) + f"<td>{tests}")
    facts = {key: value for key, value in pack["versions"].items() if key != "packages"}
    facts |= {f"package {name}": version for name, version in pack["versions"]["packages"].items()}
    listed = "".join(f"<tr><td>{html.escape(key)}<td>{html.escape(str(value))}" for key, value in facts.items())
    head = "<tr><th>" + "<th>".join(("", "requirement", "helps with", "result", "tests"))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>riglog: validation pack</title>"
        "<style>body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #999;padding:.3em .6em;text-align:left;vertical-align:top}</style>"
        f"<h1>riglog: validation pack</h1><p>{html.escape(STATEMENT)}<p>Made at {pack['made_at']}."
        f" {pack['tests']} tests: {', '.join(f'{count} {state}' for state, count in pack['results'].items())}."
        f"<table>{head}<tr>{'<tr>'.join(rows)}</table><h2>Versions</h2><table>{listed}</table></html>\n"
    )


def write(path: Path, out: Path, requirements_page: str) -> dict[str, Any]:
    """Write the pack of a run, and return it."""
    found = results(path)
    states = [state for each in found.values() for state in each]
    pack = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "statement": STATEMENT,
        "tests": len(states),
        "results": {state: states.count(state) for state in ("passed", "failed", "skipped")},
        "requirements": judged(requirements(requirements_page), found),
        "versions": versions(),
    }
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "validation.html": page(pack).encode(),
        "validation.json": json.dumps(pack, indent=1).encode() + b"\n",
        "results.xml": path.read_bytes(),
    }
    for name, content in files.items():
        (out / name).write_bytes(content)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
    (out / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")
    return pack


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pack = write(options.results, options.out, PAGE.read_text(encoding="utf-8"))
    for each in pack["requirements"]:
        sys.stdout.write(f"{each['id']:4} {each['result']:10} {each['text']}\n")
    sys.stdout.write(f"validation pack written to {options.out}\n")
    return int(any(each["result"] != "passed" for each in pack["requirements"]))


if __name__ == "__main__":
    sys.exit(main())
