"""Which modules of a package import each other, read from the sources: also in functions and for type checkers only."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

Graph = Mapping[str, set[str]]
"""From each module to the modules that it imports. Names are below the package; the package itself is ``""``."""


def import_graph(package: Path) -> Graph:
    """Return the imports inside a package; those of other packages are left out."""
    modules = {_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: set(_imports(name, path, package.name, modules)) - {name} for name, path in modules.items()}


def rooms(graph: Graph) -> Graph:
    """Return the same with every folder of the package as one module."""
    found: dict[str, set[str]] = {}
    for name, imported in graph.items():
        room = name.partition(".")[0]
        found.setdefault(room, set()).update({other.partition(".")[0] for other in imported} - {room})
    return found


def circle(graph: Graph) -> list[str]:
    """Return modules that import each other in a circle, the first one again at the end; empty if there is none."""
    finished: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in finished:
            for other in sorted(graph.get(name, ())):
                if found := visit(other, [*way, name]):
                    return found
            finished.add(name)
        return []

    return next((found for name in graph if (found := visit(name, []))), [])


def floors(graph: Graph) -> int:
    """Return how many modules stand on each other, in a graph without circles."""
    heights: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in heights:
            heights[name] = 1 + max((height(other) for other in graph.get(name, ())), default=0)
        return heights[name]

    return max(map(height, graph), default=0)


def reachable(graph: Graph, name: str) -> set[str]:
    """Return everything that a module imports, also through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in graph.get(waiting.pop(), set()) - found:
            found.add(other)
            waiting.append(other)
    return found


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(name: str, path: Path, package: str, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            if target == package or target.startswith(f"{package}."):
                below = target.removeprefix(package).removeprefix(".")
                while below and below not in modules:  # a name in a module
                    below = below.rpartition(".")[0]
                yield below
