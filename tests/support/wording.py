"""Finds every user-visible text in the source, by its syntax tree.

A text is found where it is used: as the message of an error that is raised, a hint, an event, the reason of a sample
without a value, a help text, or printed output. Parts that are computed are shown as ``{}``.
"""

import ast
import re
from functools import cache
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
PRINTERS = {
    "print_error": "error",
    "print_warning": "warning",
    "_note": "warning",
    "_wrong": "error",
    "echo": "printed",
    "secho": "printed",
}
REASONS = {"missing", "absent", "missing_sample", "missing_samples"}
INTERNAL = {"AttributeError", "KeyError", "NotImplementedError", "TypeError"}
"""Errors of the interpreter, which only a programmer sees."""
CLICK = {"command", "group", "option", "argument"}


class Text(Struct, frozen=True):
    """A text and where it stands; ``hints`` are the hints of an error.

    ``kind``: error, warning, hint, event, reason, help, summary, docstring or printed.
    """

    path: str
    line: int
    kind: str
    text: str
    hints: tuple[str, ...] = ()


@cache
def sources() -> list[Path]:
    """Return every source file of riglog and its plugins."""
    return sorted([*ROOT.glob("core/riglog/**/*.py"), *ROOT.glob("plugins/*/riglog_*/**/*.py")])


def room(path: Path) -> str:
    """Return the room of a source file: ``cli``, ``sinks/postgres``, ``riglog_watlow`` …"""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "plugins":
        return parts[2]
    return parts[2].removesuffix(".py")


@cache
def texts(path: Path) -> list[Text]:
    """Return every user-visible text of a source file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    finder = _Finder(str(path.relative_to(ROOT)), tree)
    finder.visit(tree)
    return [text for text in dict.fromkeys(finder.found) if re.search(r"[a-z]{2}", text.text)]


class _Finder(ast.NodeVisitor):
    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.found: list[Text] = []
        self._scopes: list[dict[str, list[ast.expr]]] = [_assignments(tree)]

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if any(_called(decorator) in CLICK for decorator in node.decorator_list):
            self.found.append(Text(self.path, node.lineno, "docstring", ast.get_docstring(node) or ""))
        self._scopes.append(_assignments(node))
        self.generic_visit(node)
        self._scopes.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scopes.append(_assignments(node))
        for hint in self._scopes[-1].get("hint", ()):
            self._add_all(hint, "hint")
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Attribute) and target.attr == "hint" for target in node.targets):
            self._add_all(node.value, "hint")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        hint = keywords.get("hint", node.args[1] if name in ("print_error", "_wrong") and len(node.args) > 1 else None)
        hints = [] if hint is None else self._templates(hint)
        self.found += [Text(self.path, at.lineno, "hint", text) for at, text in hints]
        raised = name.endswith(("Error", "Exception")) or {"hint", "code"} & keywords.keys()
        if (raised and name not in INTERNAL) or name in PRINTERS:
            for argument in node.args[:1]:
                self._add_all(argument, PRINTERS.get(name, "error"), tuple(text for _, text in hints))
        for position, argument in enumerate(node.args):
            if isinstance(argument, ast.Attribute) and _name(argument.value) == "EventKind":
                for message in node.args[position + 1 :]:
                    self._add_all(message, "event")
        if name in REASONS:
            for argument in [*node.args[1:], *(value for key, value in keywords.items() if key in ("error", "reason"))]:
                self._add_all(argument, "reason")
        if name in CLICK:
            for key, kind in (("help", "help"), ("short_help", "summary")):
                if key in keywords:
                    self._add_all(keywords[key], kind)
        if name == "print" and isinstance(node.func, ast.Attribute):
            for argument in node.args[:1]:
                self._add_all(argument, "printed")
        self.generic_visit(node)

    def _add_all(self, node: ast.expr, kind: str, hints: tuple[str, ...] = ()) -> None:
        self.found += [Text(self.path, at.lineno, kind, text, hints) for at, text in self._templates(node)]

    def _templates(self, node: ast.expr, depth: int = 0) -> list[tuple[ast.expr, str]]:
        """Return the texts an expression can be. A name stands for what was last assigned to it before, or anywhere."""
        match node:
            case ast.Constant(value=str(text)):
                return [(node, text)]
            case ast.JoinedStr():
                return [(node, "".join(self._part(part) for part in node.values))]
            case ast.IfExp(body=body, orelse=orelse):
                return [*self._templates(body, depth), *self._templates(orelse, depth)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [
                    (node, first + second)
                    for _, first in self._templates(left, depth) or [(left, "{}")]
                    for _, second in self._templates(right, depth) or [(right, "{}")]
                ]
            case ast.BoolOp(values=values):
                return [found for value in values for found in self._templates(value, depth)]
            case ast.Name(id=name) if depth < 3:
                for scope in reversed(self._scopes):
                    if name in scope:
                        before = [value for value in scope[name] if value.lineno < node.lineno][-1:]
                        return [found for value in before or scope[name] for found in self._templates(value, depth + 1)]
                return [(node, text) for text in _constants().get(name, ())]
        return []

    @staticmethod
    def _part(part: ast.expr) -> str:
        match part:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(value=ast.Name(id="DRIVER_ERROR" as name)):
                return _constants()[name][0]
        return "{}"


def _assignments(
    scope: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> dict[str, list[ast.expr]]:
    """Return the expressions that are assigned to each name in a scope, without the scopes inside it."""
    found: dict[str, list[ast.expr]] = {}
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:  # type: ignore[attr-defined]
                found.setdefault(target.id, []).append(node.value)  # type: ignore[attr-defined]
        waiting += ast.iter_child_nodes(node)
    return found


@cache
def _constants() -> dict[str, list[str]]:
    """Return the texts of all constants of the source, by name: a constant may be used in another file."""
    found: dict[str, list[str]] = {}
    for path in sources():
        for name, values in _assignments(ast.parse(path.read_text(encoding="utf-8"))).items():
            if name.isupper():
                found.setdefault(name, []).extend(
                    value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)
                )
    return found


def _called(node: ast.expr) -> str:
    return _name(node.func) if isinstance(node, ast.Call) else _name(node)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


class Listed(Struct, frozen=True):
    """A row of docs/reference/messages.md."""

    message: str
    cause: str
    hints: tuple[str, ...]


@cache
def listed() -> list[Listed]:
    """Return the rows of docs/reference/messages.md, with ``{}`` for every ``<placeholder>``."""
    page = (ROOT / "docs/reference/messages.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    return [
        Listed(template(message), cause, tuple(map(template, hint.split(" *or* ")))) for message, cause, hint in rows
    ]


def template(text: str) -> str:
    """Return a text of the page as the source has it: ``{}`` for every ``<placeholder>``."""
    return re.sub(r"<[a-z ]+>", "{}", text).replace(r"\|", "|")


def pattern(text: str) -> "re.Pattern[str]":
    """Return the pattern of everything that a text with ``{}`` can be."""
    return re.compile(".+?".join(re.escape(part) for part in text.split("{}")), re.DOTALL)
