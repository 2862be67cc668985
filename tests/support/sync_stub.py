"""Writes ``riglog/sync/functions.pyi`` from the asynchronous API, so that type checkers know the blocking one.

``python tests/support/sync_stub.py`` writes it; tests/core/sync compares.
"""

import ast
import subprocess
from pathlib import Path
from typing import Any

CORE = Path(__file__).parents[2] / "core" / "riglog"
STUB = CORE / "sync" / "functions.pyi"

HEADER = '"""The blocking API for type checkers. Written by tests/support/sync_stub.py; do not edit."""\n\n'
CLASSES = {"Device": "device/device.py", "Manager": "manager/manager.py", "ActiveRun": "acquire/active_run.py"}
FUNCTIONS = {
    "open_device": "rig/devices.py",
    "open_rig": "rig/devices.py",
    "record": "acquire/recorder.py",
    "pipe": "rig/piping.py",
    "record_rig": "rig/record.py",
    "note": "recordings/notes.py",
}
HIDDEN = {
    *("on_write", "on_change", "read_only", "confirm_change", "writing"),
    *("in_thread", "wrote", "open", "aclose", "reconnected", "sources", "changed", "subscribe", "add_spec"),
    *("stream", "abort", "reschedule", "sleep_until", "add_event", "add_event_throttled", "note_identities"),
    *("report_absences", "expect_identities", "deliver", "put", "put_late", "put_rest"),
}
"""What plugins and the recorder use."""
KEPT = {"Device": {"name", "pace", "rate_hz", "channels"}, "ActiveRun": set(), "Manager": {"name", "pace", "rate_hz"}}
ATTRIBUTES = {"ActiveRun": ("rate_hz: float", "summary: AcquisitionSummary"), "Manager": ("error_policy: ErrorPolicy",)}
RENAMED = {
    "AsyncIterator": "Iterator",
    "MadeDevice": "Device",
    "ReadyDevice": "Device",
    "PortSession": "Any",
    "PollSource": "Device | Manager | PollSource",
    "Event": "threading.Event",
}
ENDINGS = {
    "Device": ["def __getattr__(self, name: str) -> Any: ..."],
    "ActiveRun": ["def __iter__(self) -> Iterator[Batch]: ..."],
    "Manager": [],
}
BLOCK = [
    "def close(self) -> None: ...",
    "def __enter__(self) -> Self: ...",
    "def __exit__(self, *_: object) -> None: ...",
]


class _ToBlocking(ast.NodeTransformer):
    """Turns the signature of an asynchronous function into that of the blocking one."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        plain = ast.FunctionDef(**{name: getattr(node, name, None) for name in (*node._fields, *node._attributes)})
        return self.visit_FunctionDef(ast.copy_location(plain, node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [ast.Expr(ast.Constant(...))]
        if any(ast.unparse(each) == "asynccontextmanager" for each in node.decorator_list):
            assert isinstance(node.returns, ast.Subscript)
            node.returns = node.returns.slice
        kept = {"overload", "property", "classmethod"}
        node.decorator_list = [each for each in node.decorator_list if isinstance(each, ast.Name) and each.id in kept]
        self.generic_visit(node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Return what is awaited, or what a block gives, in place of the thing itself."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in ("Awaitable", "AbstractAsyncContextManager"):
            return node.slice
        if isinstance(node.value, ast.Name) and node.value.id in ("MakesDevice", "OpensDevice"):
            return ast.Name("AnyDriver[Any]")
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(RENAMED.get(node.id, node.id)) if node.id != "Event" else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Name("threading.Event") if ast.unparse(node) == "anyio.Event" else node


def stub() -> str:
    """Return the text of the stub."""
    parts, imports = [], {}
    for name, path in (CLASSES | FUNCTIONS).items():
        module = ast.parse((CORE / path).read_text(encoding="utf-8"))
        imports |= _imports(module)
        parts.append(_class(module, name) if name in CLASSES else _function(module, name))
    body = "\n\n".join(parts)
    return HEADER + _import_lines(imports, body) + "\n" + body + "\n"


def _class(module: ast.Module, name: str) -> str:
    node = next(each for each in module.body if isinstance(each, ast.ClassDef) and each.name == name)
    lines = [f"class {name}:", f'    """A blocking {name}: see ``riglog.{name}``."""', ""]
    lines += [f"    {attribute}" for attribute in ATTRIBUTES.get(name, ())]
    overloads: dict[str, list[Any]] = {}
    written: set[str] = set()
    for member in node.body:
        if _is_overload(member):
            overloads.setdefault(member.name, []).append(member)
    for member in node.body:
        if (found := overloads.pop(getattr(member, "name", ""), None)) is not None:
            written.add(member.name)
            lines += ["    " + line for text in _distinct(found) for line in text.splitlines()]
        if getattr(member, "name", None) in written:
            continue
        if isinstance(member, ast.AnnAssign) and ast.unparse(member.target) in KEPT[name]:
            lines.append(f"    {ast.unparse(member.target)}: {ast.unparse(member.annotation)}")
        elif isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(member, name):
            lines += ["    " + line if line else "" for line in _written(member).splitlines()]
    lines += [f"    {line}" for line in [*ENDINGS[name], *BLOCK]]
    return "\n".join(lines)


def _distinct(overloads: list[Any]) -> list[str]:
    """Return the signatures of a function, without those that differ only in the kind of driver."""
    written: dict[str, str] = {}
    for node in overloads:
        text = _written(node)
        drivers = [each for each in (*node.args.args, *node.args.kwonlyargs) if each.arg == "driver"]
        written.setdefault(ast.unparse(drivers[0].annotation) if drivers else text, text)
    return list(written.values())


def _is_overload(node: ast.AST) -> bool:
    return any(ast.unparse(each) == "overload" for each in getattr(node, "decorator_list", ()))


def _is_public(member: ast.FunctionDef | ast.AsyncFunctionDef, owner: str) -> bool:
    if member.name in HIDDEN or (member.name == "close" and owner == "Manager"):
        return False
    return not member.name.startswith("_") or (member.name == "__init__" and owner == "Manager")


def _function(module: ast.Module, name: str) -> str:
    found = [each for each in module.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    nodes = [each for each in found if each.name == name]
    overloads = [each for each in nodes if _is_overload(each)]
    return "\n".join(_distinct(overloads or nodes))


def _written(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(_ToBlocking().visit(node)))


def _imports(module: ast.Module) -> dict[str, str]:
    lines: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            lines |= {each.asname or each.name: f"from {node.module} import {each.name}" for each in node.names}
    return lines


def _import_lines(imports: dict[str, str], body: str) -> str:
    extra = {
        "Iterator": "from collections.abc import Iterator",
        "Self": "from typing import Self",
        "Batch": "from riglog.model import Batch",
        "AnyDriver": "from riglog.plugin import AnyDriver",
        "Any": "from typing import Any",
        "PollSource": "from riglog.device import PollSource",
        "AcquisitionSummary": "from riglog.acquire import AcquisitionSummary",
    }
    defined = {*CLASSES, *FUNCTIONS}
    used = {each.id for each in ast.walk(ast.parse(body)) if isinstance(each, ast.Name)}
    known = extra | imports
    lines = {known[name] for name in used if name in known and name not in defined}
    if "threading" in used:
        lines.add("import threading")
    local = {"Listener": "Listener = Callable[[Event], None]"} if "Listener" in used else {}
    for name in ("T", "Request"):
        if name in used:
            local[name] = f'{name} = TypeVar("{name}")'
            lines.add("from typing import TypeVar")
    return "\n".join(sorted(lines)) + "\n" + "".join(f"\n{line}" for line in local.values()) + ("\n" if local else "")


def content(text: str) -> tuple[set[str], list[str]]:
    """Return what a stub says, however it is laid out: its imports, and the rest in its order."""
    nodes = ast.parse(text).body
    names = {f"{each.module}.{one.name}" for each in nodes if isinstance(each, ast.ImportFrom) for one in each.names}
    return names, [ast.dump(each) for each in nodes if not isinstance(each, ast.Import | ast.ImportFrom)]


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
    subprocess.run(["ruff", "check", "--select", "I", "--fix", "--quiet", STUB], check=True)
    subprocess.run(["ruff", "format", "--quiet", STUB], check=True)
